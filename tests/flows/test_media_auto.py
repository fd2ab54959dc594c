"""The relay where it is needed and nowhere else: NAT, SRTP, WebRTC, and what is done directly when the relay is away."""

import msgspec

from tandem.testing.actor import Actor
from tandem.testing.flows import Play
from tandem.testing.line import Line

MEDIA = "auto"
NATTED = "192.168.7.7"
KEYS = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbU9QUXJzVHVWd3l6MTIzNDU2\r\n"


def secured(actor: Actor, profile: str = "RTP/SAVP", more: str = KEYS) -> str:
    return actor.sdp().replace("RTP/AVP", profile) + more


def asked(play: Play) -> list[object]:
    return [command["command"] for command in play.relay.asked]


def connected(play: Play, alice: Actor, bob: Actor, body: str) -> tuple[Line, Line]:
    one = alice.invites("bob", body=body)
    two = bob.rings()
    bob.answers()
    play.until(lambda: one.state == "talking" and two.got_ack, "the call")
    play.wait(0.1)
    return one, two


def test_neighbours_talk_directly(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    assert ([], bob.host, alice.host) == (play.relay.asked, one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_a_caller_behind_nat_is_heard_through_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, _ = connected(play, alice, bob, alice.sdp(address=NATTED))
    assert bob.host == one.media
    assert ["offer", "answer"] == asked(play)
    assert ["SIP-source-address"] == play.relay.asked[0]["flags"]
    assert ["IP4", alice.host] == play.relay.asked[0]["received-from"]
    bob.hangs_up()
    play.ends()


def test_a_phone_whose_contact_is_of_another_net_is_called_through_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    aor = "bob@sim"
    (contact,) = play.board.contacts_of[aor]
    play.board.contacts_of[aor] = (msgspec.structs.replace(contact, uri=f"sip:bob@{NATTED}:5060"),)
    one, two = play.talk(alice, bob)
    assert ["offer", "answer"] == asked(play)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_without_the_relay_a_call_for_nats_sake_goes_directly(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.die()
    one, two = connected(play, alice, bob, alice.sdp(address=NATTED))
    assert (bob.host, NATTED) == (one.media, two.media)
    play.relay.starts()
    alice.hangs_up()
    play.ends()
    told = {event.what for event in play.story}
    assert "not relayed" in told


def test_srtp_on_one_side_only_needs_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.trunk("carrier", srtp="off")
    play.board.stages["bob"] = (("carrier",),)
    one = alice.invites("bob", body=secured(alice))
    bob.rings()
    bob.answers()
    play.until(lambda: one.state == "talking", "the call")
    offer = play.relay.asked[0]
    assert ("offer", "RTP/AVP") == (offer["command"], offer["transport-protocol"])
    play.wait(0.2)
    alice.hangs_up()
    play.ends()


def test_srtp_on_both_sides_needs_none(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    connected(play, alice, bob, secured(alice))
    assert [] == play.relay.asked
    alice.hangs_up()
    play.ends()


def test_a_carrier_that_requires_srtp_is_offered_it(play: Play) -> None:
    alice, bob = play.phone("alice"), play.trunk("carrier", srtp="required")
    play.board.stages["bob"] = (("carrier",),)
    one = alice.invites("bob")
    bob.rings()
    bob.answers(body=secured(bob))
    play.until(lambda: one.state == "talking", "the call")
    assert "RTP/SAVP" == play.relay.asked[0]["transport-protocol"]
    bob.reinvites("sendonly")
    play.until(lambda: one.direction == "sendonly", "hold")
    play.wait(0.2)
    assert "RTP/AVP" == play.relay.asked[2]["transport-protocol"]
    alice.hangs_up()
    play.ends()


def test_srtp_that_a_tenant_requires_is_refused_without(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.board.srtp = "required"
    one = alice.invites("bob")
    play.until(lambda: one.finals, "the refusal")
    assert ([488], []) == (one.finals, bob.lines)
    play.ends()
    assert "the caller offers no SRTP" == play.cdr.why


def test_a_browser_reaches_a_phone_by_the_relay_alone(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    offer = secured(alice, "UDP/TLS/RTP/SAVPF", "a=fingerprint:sha-256 AB:CD\r\na=ice-ufrag:x\r\n")
    connected(play, alice, bob, offer)
    first, second = play.relay.asked
    assert ("RTP/AVP", "remove") == (first["transport-protocol"], first["ICE"])
    assert "force" == second["ICE"]
    alice.hangs_up()
    play.ends()


def test_a_browser_cannot_call_a_phone_without_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.die()
    one = alice.invites("bob", body=secured(alice, "UDP/TLS/RTP/SAVPF"))
    play.until(lambda: one.finals, "the refusal", 10)
    assert ([503], []) == (one.finals, bob.lines)
    play.relay.starts()
    play.ends()


def test_only_the_branch_that_needs_it_is_relayed(play: Play) -> None:
    alice, bob, carrier = (
        play.phone("alice"),
        play.phone("bob"),
        play.trunk("carrier", srtp="required"),
    )
    play.board.stages["team"] = (("bob", "carrier"),)
    one = alice.invites("team")
    two, three = bob.rings(), carrier.rings()
    bob.answers()
    play.until(lambda: one.state == "talking" and two.got_ack, "the call")
    play.wait(0.5)
    assert (["offer"], bob.host, alice.host) == (asked(play), one.media, two.media)
    assert "ended" == three.state
    alice.hangs_up()
    play.ends()


def test_a_trunk_that_demands_the_relay_gets_it(play: Play) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier", media="relay")
    play.board.stages["pstn"] = (("carrier",),)
    one = alice.invites("pstn")
    two = carrier.rings()
    carrier.answers()
    play.until(lambda: one.state == "talking" and two.got_ack, "the call")
    assert ["offer", "answer"] == asked(play)
    play.wait(0.2)
    alice.hangs_up()
    play.ends()


def test_an_address_that_turns_out_to_be_natted_is_relayed_from_the_next_offer_on(
    play: Play,
) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    alice.reinvites(address=NATTED)
    play.until(lambda: asked(play) == ["offer", "answer"], "the relay")
    play.wait(0.2)
    assert (bob.host, NATTED) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_a_relayed_call_that_is_transferred_stays_where_it_is_needed(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = connected(play, alice, bob, alice.sdp(address=NATTED))
    bob.refers("<sip:carol@sim>")
    three = carol.rings()
    carol.answers()
    play.until(lambda: one.media == carol.host and three.got_ack, "alice and carol")
    play.wait(0.5)
    alice.hangs_up()
    play.ends()
