"""The soft phones themselves: a direct call on loopback, so that a failing call through Tandem is Tandem's."""

import pytest

pytest.importorskip("baresip")

from tandem.testing.phones import phones, until


@pytest.mark.slow
async def test_two_phones_hear_each_other_without_tandem_in_between() -> None:
    async with phones(sip_port=20_710, rtp_ports=(20_720, 20_780)) as stack:
        alice = await stack.phone("alice", "", domain="127.0.0.1:20710", hz=440)
        bob = await stack.phone("bob", "", domain="127.0.0.1:20710", hz=1000)
        out = await alice.call("sip:bob@127.0.0.1:20710")
        ringing = await bob.incoming()
        await ringing.answer()
        await out.established()
        await until(lambda: len(out.heard.windows) > 10, 5, "a second was heard")
        await out.hangup()
        await ringing.ended()
    assert 0.8 < out.heard.share(1000)
    assert 0.8 < ringing.heard.share(440)
    assert 0.1 > out.heard.share(440)
    assert 0.0 == out.lost
    assert {"INVITE", "ACK", "BYE"} <= {m.text.split()[0] for m in stack.messages if m.sent}
