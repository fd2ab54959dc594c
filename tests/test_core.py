"""The core alone, driven by hand-made frames: what Python hears, and what goes to the edge."""

import struct

from frames import INVITE, SECOND, World, reply, request, respond
from tandem.boundary import (
    UDP,
    Ack,
    Acked,
    Ask,
    EdgeDown,
    EdgeUp,
    Failed,
    Flow,
    Request,
    Response,
    Taken,
    TimedOut,
    read_events,
)  # fmt: skip


def test_a_link_begins_with_hello_keys_policy_and_claim_and_its_end_is_told() -> None:
    world = World()
    frames = [frame for _, frame in world.owner.output()]
    assert [64, 70, 68, 67, 73] == [frame[0] for frame in frames]
    assert struct.pack("<IHH", 3, 0, 1024) == frames[3][1:]
    world.owner.link_down(1, world.now)
    events = read_events(world.owner.drain())
    assert [EdgeUp(SECOND, 1, 99, [(UDP, "10.0.0.1:5060")]), EdgeDown(SECOND, 1)] == events


def test_an_invite_is_told_with_all_its_fields() -> None:
    event = World().invited()
    assert ("INVITE", "sip:bob@demo.example", "one", "", "c1", 7, 70) == (
        event.method, event.uri, event.from_tag, event.to_tag, event.call_id, event.cseq, event.max_forwards,
    )  # fmt: skip
    assert ("trunk:carrier", 101, SECOND + 5, 13) == (
        event.trust,
        event.seq,
        event.at,
        len(event.call),
    )
    assert '"J\u00f6rg" <sip:alice@demo.example>;tag=one' == event.from_
    assert Flow(1, 0, UDP, 0, "192.0.2.1", 5062) == event.flow
    assert (
        "v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKaaa;received=192.0.2.1;rport=5062\r\n" == event.vias
    )
    assert ({"supported": ["timer"]}, "X-Mine: yes\r\n") == (event.special, event.rest)
    assert ("application/sdp", b"v=0\n", len(INVITE)) == (
        event.content_type,
        event.body,
        event.size,
    )


def test_a_call_is_invited_rung_answered_acknowledged_and_ended() -> None:
    world = World()
    event = world.invited()
    tag = event.call + "a0"
    assert [] == world.say(INVITE)  # absorbed: nothing has been answered
    (trying,) = world.run(Taken(1, [event.seq]), respond(event, 100))
    assert trying.startswith(
        "SIP/2.0 100 X\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKaaa;received=192.0.2.1;rport=5062\r\n"
    )
    (ringing,) = world.run(respond(event, 180, tag, "a0"))
    assert "Contact: <sip:a09a0" in ringing and "@10.0.0.1:5060>" in ringing
    assert [] == world.say(INVITE) and [ringing] == world.sent()
    (answer,) = world.run(respond(event, 200, tag, "a0"))
    world.now += SECOND // 2
    world.owner.advance(world.now)
    assert [answer] == world.sent()
    ack = f"ACK sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKack\r\nFrom: <sip:a>;tag=one\r\nTo: <sip:b>;tag={tag}\r\nCall-ID: c1\r\nCSeq: 7 ACK\r\n\r\n"
    (acked,) = world.say(ack)
    assert Acked(world.seq, world.now + 5, event.call, 1, tag, 7, "", b"") == acked
    assert [] == world.say(ack)
    world.now += 40 * SECOND
    world.owner.advance(world.now)
    assert ([], []) == (world.sent(), read_events(world.owner.drain()))
    (bye,) = world.say(
        ack.replace("ACK", "BYE").replace("7 BYE", "8 BYE").replace("z9hG4bKack", "z9hG4bKbye")
    )
    assert isinstance(bye, Request) and ("BYE", event.call, "") == (bye.method, bye.call, bye.trust)
    assert world.run(respond(bye, 200))[0].startswith(
        "SIP/2.0 200 X\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKbye\r\n"
    )


def test_a_callee_is_asked_rings_answers_and_hears_our_ack_for_every_2xx() -> None:
    world = World()
    call = world.invited().call
    world.taken()
    (invite,) = world.run(request(call, 3))
    assert (
        "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK" + call + "3-a" in invite
        and ";rport\r\n" in invite
    )
    assert [] == world.say(reply(invite, 100)) and [world.seq] == world.taken()
    (ringing,) = world.say(reply(invite, 180))
    assert isinstance(ringing, Response) and (180, 3, "bob", "Whatever") == (
        ringing.status,
        ringing.n,
        ringing.to_tag,
        ringing.reason,
    )
    (answered,) = world.say(reply(invite, 200))
    ack = Ack(
        9,
        call,
        3,
        4,
        "bob",
        Flow(1, 0, UDP, 0, "192.0.2.9", 5060),
        b"ACK sip:bob@192.0.2.9 SIP/2.0\r\nTo: <sip:bob>;tag=bob\r\n\r\n",
    )
    (said,) = world.run(Taken(1, [answered.seq]), ack)  # type: ignore[union-attr]
    assert [] == world.say(reply(invite, 200)) and [said] == world.sent()
    assert [200] == [
        event.status
        for event in world.say(reply(invite, 200, "carol"))
        if isinstance(event, Response)
    ]


def test_the_ack_to_a_refusal_goes_out_when_its_event_is_taken() -> None:
    world = World()
    call = world.invited().call
    (invite,) = world.run(request(call, 3))
    (busy,) = world.say(reply(invite, 486))
    assert isinstance(busy, Response) and [] == world.sent()
    (ack,) = world.run(Taken(1, [busy.seq]))
    assert ack.startswith(
        "ACK sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK"
        + call
        + "3-a"
    )
    assert "To: <sip:bob@x>;tag=bob\r\nCSeq: 3 ACK\r\n" in ack


def test_a_cancel_is_told_with_the_call_that_it_cancels_and_a_stray_one_is_refused() -> None:
    world = World()
    invite = world.invited()
    cancel = (
        INVITE.split("\r\n\r\n")[0].replace("INVITE", "CANCEL").replace("Length: 4", "Length: 0")
        + "\r\n\r\n"
    )
    (event,) = world.say(cancel)
    assert (
        isinstance(event, Request)
        and ("CANCEL", invite.call) == (event.method, event.call)
        and event.txn != invite.txn
    )
    assert [] == world.say(cancel.replace("z9hG4bKaaa", "z9hG4bKbbb"))
    assert world.sent()[0].startswith("SIP/2.0 481 ")


def test_our_cancel_carries_the_branch_of_its_invite() -> None:
    world = World()
    call = world.invited().call
    (invite,) = world.run(request(call, 3))
    # RFC 3261 9.1: it waits for a provisional
    assert [] == world.run(request(call, 4, "CANCEL", branch_of=3))
    assert [] == world.say(reply(invite, 100))
    (cancel,) = world.sent()
    assert invite.split("\r\n")[1] == cancel.split("\r\n")[1]
    (event,) = world.say(reply(cancel, 200))
    assert isinstance(event, Response) and (4, "CANCEL") == (event.n, event.method)
    (event,) = world.say(reply(invite, 487))
    assert isinstance(event, Response) and (3, 487) == (event.n, event.status)


def test_silence_and_a_gone_connection_are_told() -> None:
    world = World()
    call = world.invited().call
    world.run(request(call, 3), request(call, 4))
    world.owner.output()
    world.run(request(call, 5))
    world.run(
        Ask(
            9,
            call,
            6,
            "INVITE",
            Flow(1, 0, 3, 0, "192.0.2.9", 5061),
            "",
            "",
            b"INVITE x SIP/2.0\r\n\r\n",
        )
    )
    assert [Failed(SECOND, call, 6, False, "route")] == read_events(world.owner.drain())
    while (due := world.owner.wake_at()) and due < 60 * SECOND:
        world.owner.advance(due)
    late = [
        (event.call, event.txn, event.server)
        for event in read_events(world.owner.drain())
        if isinstance(event, TimedOut)
    ]
    assert [(call, 3, False), (call, 4, False), (call, 5, False)] == sorted(late)


def test_a_frame_of_a_foreign_shard_is_left_to_its_owner() -> None:
    world = World()
    world.owner.claim(0, 9, 1)
    world.taken()
    world.owner.drain()
    assert ([], []) == (world.say(INVITE), world.taken())
    assert 1 == world.owner.counters()["foreign_shards"]
