"""The core alone, driven by hand-made frames: what Python hears, and what goes to the edge."""

import json
import struct
from ipaddress import ip_address

from tandem import boundary
from tandem._core import Owner
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
    Respond,
    Response,
    Taken,
    TimedOut,
    read_events,
    write_commands,
)  # fmt: skip

SECOND = 1_000_000
KEYS = {
    "hash": "01" * 16,
    "signing": [{"id": "a", "secret": "02" * 16}],
    "nonce": [{"id": "a", "secret": "03" * 16}],
}
POLICY = {
    "version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"},
    "trunks": [{"id": "carrier", "tenant": "demo", "cidrs": ["192.0.2.0/24"], "tls_names": []}],
}  # fmt: skip
INVITE = (
    "INVITE sip:bob@demo.example SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKaaa\r\nMax-Forwards: 70\r\n"
    "From: \"J\u00f6rg\" <sip:alice@demo.example>;tag=one\r\nTo: <sip:bob@demo.example>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.1>\r\nSupported: timer\r\nX-Mine: yes\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
)  # fmt: skip


class World:
    """An owner with one edge; `say` gives it a message from 192.0.2.1:5062."""

    def __init__(self) -> None:
        config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": POLICY}
        self.owner, self.now, self.seq = Owner(json.dumps(config).encode()), SECOND, 100
        self.owner.link_up(1, self.now)
        hello = (
            struct.pack("<BHHQB", 1, 1, 1, 99, 1)
            + b"\x01"
            + address("10.0.0.1", 5060)
            + struct.pack("<H", 13)
            + b"10.0.0.1:5060"
        )
        self.owner.handle(1, hello + struct.pack("<I", 0), self.now)

    def say(self, text: str, *, host: str = "192.0.2.1", shard: int = 9) -> list[boundary.Event]:
        self.seq += 1
        head = (
            struct.pack("<BQHIQBB", 2, self.seq, shard, 3, 0, UDP, 0)
            + address(host, 5062)
            + struct.pack("<Q", self.now + 5)
        )
        self.owner.handle(1, head + text.encode("latin-1"), self.now)
        return read_events(self.owner.drain())

    def run(self, *commands: boundary.Command) -> list[str]:
        self.owner.run(write_commands(list(commands)), self.now)
        return self.sent()

    def sent(self) -> list[str]:
        return [frame[43:].decode("latin-1") for _, frame in self.owner.output() if frame[0] == 65]

    def taken(self) -> list[int]:
        return [
            seq
            for _, frame in self.owner.output()
            if frame[0] == 66
            for (seq,) in struct.iter_unpack("<Q", frame[1:])
        ]

    def invited(self) -> Request:
        self.owner.drain(), self.owner.output()
        (event,) = self.say(INVITE)
        assert isinstance(event, Request)
        return event


def address(host: str, port: int) -> bytes:
    return b"\0" * 10 + b"\xff\xff" + ip_address(host).packed + struct.pack("<H", port)


def respond(event: Request, status: int, tag: str = "", contact: str = "") -> Respond:
    to = event.to + (f";tag={tag}" if tag else "")
    text = f"SIP/2.0 {status} X\r\nFrom: {event.from_}\r\nTo: {to}\r\nCall-ID: {event.call_id}\r\nCSeq: {event.cseq} {event.method}\r\n\r\n"
    return Respond(
        shard(event.call),
        event.txn,
        event.method,
        status,
        event.flow,
        event.vias,
        contact,
        event.call_id,
        text.encode("latin-1"),
        call=event.call,
    )


def request(call: str, n: int, method: str = "INVITE", branch_of: int = 0) -> Ask:
    text = f"{method} sip:bob@192.0.2.9 SIP/2.0\r\nFrom: <sip:a>;tag={call}b0\r\nTo: <sip:bob@x>\r\nCall-ID: {call}b0\r\nCSeq: {n} {method}\r\n\r\n"
    flow = Flow(1, 0, UDP, 0, "192.0.2.9", 5060)
    return Ask(
        9,
        call,
        n,
        method,
        flow,
        "b0" if method == "INVITE" else "",
        f"{call}b0",
        text.encode(),
        branch_of=branch_of,
    )


def reply(sent: str, status: int, tag: str = "bob") -> str:
    via = next(line for line in sent.split("\r\n") if line.startswith("Via"))
    lines = [
        line + (f";tag={tag}" if line.startswith("To:") else "")
        for line in sent.split("\r\n")
        if line.split(":")[0] in ("From", "To", "Call-ID", "CSeq")
    ]
    return "\r\n".join([f"SIP/2.0 {status} Whatever", via, *lines, "Content-Length: 0", "", ""])


def test_a_link_begins_with_hello_keys_policy_and_claim_and_its_end_is_told() -> None:
    world = World()
    frames = [frame for _, frame in world.owner.output()]
    assert [64, 70, 68, 67] == [frame[0] for frame in frames]
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
    (cancel,) = world.run(request(call, 4, "CANCEL", branch_of=3))
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


def shard(call: str) -> int:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return alphabet.index(call[0]) * 32 + alphabet.index(call[1])
