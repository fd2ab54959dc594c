"""A simulated phone: transactions and dialogs by RFC 3261, with what it believes of each call. It knows nothing of Tandem."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tandem.testing.sim.clock import SECOND, Clock
from tandem.testing.sim.wire import SDP, Message, param, parse, reply, uri_in

T1, T2, T4 = SECOND // 2, 4 * SECOND, 5 * SECOND
UDP, TCP = 1, 2


@dataclass
class Habits:
    """What the person at this phone does, in seconds after the event named."""

    cancel_after: float = 0  # caller: after the INVITE
    hang_up_after: float = 0  # after the answer (caller: 200 seen; callee: ACK seen)
    ring_after: float = 0.05
    answer_after: float = 0  # callee: after ringing
    decline_after: float = 0
    decline_with: int = 486
    hold_after: float = 0
    info_after: float = 0
    late_offer: bool = False
    reliable: bool = False
    forgets: bool = False  # keeps no transaction after its end, whatever the transport
    silent: bool = False  # never says a word
    rings_on: bool = True  # a callee's ringing outlives its connection
    waits_on: bool = False  # so does a caller's INVITE


@dataclass
class Talk:
    """One call as a phone sees it."""

    call_id: str
    caller: bool
    local: str
    local_tag: str
    remote: str
    remote_tag: str = ""
    target: str = ""
    routes: list[str] = field(default_factory=list)
    cseq: int = 1
    remote_cseq: int = 0
    state: str = "calling"  # calling, ringing, talking, ended
    finals: list[int] = field(default_factory=list)
    timed_out: bool = False
    gave_up: bool = False  # cancelled or hung up by its own person
    answered_at: int = 0
    ended_at: int = 0
    invite: Message | None = None
    acks: dict[str, Message] = field(default_factory=dict)
    tries: dict[str, bool] = field(
        default_factory=dict
    )  # open client transactions by branch; True once answered
    asked: dict[str, Message] = field(default_factory=dict)  # what they said
    got_ack: bool = False
    held: bool = False
    rseq: int = 0
    infos: int = 0
    lives: bool = False  # what its person does while it talks is under way
    unheard: bool = False  # its connection ended before the first response to its INVITE


class Phone:
    def __init__(
        self,
        name: str,
        host: str,
        transport: int,
        clock: Clock,
        send: Callable[["Phone", bytes], None],
        habits: Habits,
    ) -> None:
        self.name, self.host, self.transport, self.clock, self.habits = (
            name,
            host,
            transport,
            clock,
            habits,
        )
        self.send_bytes = send
        self.talks: dict[str, Talk] = {}
        self.answers: dict[
            tuple[str, str], Message
        ] = {}  # server transactions: (branch, method) -> last response
        self.number = 0
        self.ghosts = 0  # rang for an INVITE that it had already refused or ended

    # -- sending

    def say(self, message: Message) -> None:
        if not self.habits.silent:
            self.send_bytes(self, message.bytes())

    def fresh(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.name}{self.number}"

    @property
    def contact(self) -> str:
        return (
            f"<sip:{self.name}@{self.host}:5060>"
            if self.transport == UDP
            else f"<sip:{self.name}@{self.host}:5060;transport=tcp>"
        )

    def via(self, branch: str) -> tuple[str, str]:
        return (
            "Via",
            f"SIP/2.0/{'UDP' if self.transport == UDP else 'TCP'} {self.host}:5060;branch={branch};rport",
        )

    def request(
        self,
        talk: Talk,
        method: str,
        cseq: int,
        branch: str,
        body: str = "",
        extra: list[tuple[str, str]] | None = None,
    ) -> Message:
        to = f"{talk.remote};tag={talk.remote_tag}" if talk.remote_tag else talk.remote
        headers = [
            self.via(branch),
            *[("Route", route) for route in talk.routes],
            ("Max-Forwards", "70"),
        ]
        headers += [
            ("From", f"{talk.local};tag={talk.local_tag}"),
            ("To", to),
            ("Call-ID", talk.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "UPDATE"):
            headers += [
                ("Contact", self.contact),
                ("Supported", "100rel, timer"),
                ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO"),
            ]
        headers += extra or []
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return Message(f"{method} {talk.target} SIP/2.0", headers, body)

    def sdp(self, direction: str = "sendrecv") -> str:
        return SDP.format(name=self.name, version=self.number, host=self.host, direction=direction)

    def start(
        self, talk: Talk, message: Message, on_timeout: Callable[[], None] | None = None
    ) -> None:
        """A client transaction: repeats on UDP until answered (Timers A and E), gives up after 64*T1."""
        branch = message.branch
        talk.tries[branch] = False
        talk.asked[branch] = message
        invite = message.method == "INVITE"

        def again(wait: int) -> None:
            if talk.tries.get(branch, True):
                return
            self.say(message)
            self.clock.after(
                wait * 2 if invite else min(wait * 2, T2),
                lambda: again(wait * 2 if invite else min(wait * 2, T2)),
            )

        def expire() -> None:
            if not talk.tries.get(branch, True):
                talk.tries[branch] = True
                if on_timeout is not None:
                    on_timeout()

        self.say(message)
        if self.transport == UDP:
            self.clock.after(T1, lambda: again(T1))
        self.clock.after(64 * T1, expire)

    # -- what its person does

    def call(self, uri: str) -> Talk:
        talk = Talk(
            self.fresh("call") + "@sim",
            True,
            f"<sip:{self.name}@sim>",
            self.fresh("tag"),
            f"<{uri}>",
            target=uri,
        )
        self.talks[talk.call_id] = talk
        talk.invite = self.request(
            talk,
            "INVITE",
            1,
            "z9hG4bK" + self.fresh("b"),
            "" if self.habits.late_offer else self.sdp(),
        )
        self.start(talk, talk.invite, lambda: self.final(talk, 0))
        if self.habits.cancel_after:
            self.clock.after(self.habits.cancel_after * SECOND, lambda: self.cancel(talk))
        return talk

    def cancel(self, talk: Talk) -> None:
        if talk.state not in ("calling", "ringing") or talk.invite is None:
            return
        talk.gave_up = True
        if not talk.tries.get(talk.invite.branch, False):  # RFC 3261 9.1: not before a provisional
            self.clock.after(SECOND // 5, lambda: self.cancel(talk))
            return
        message = self.request(talk, "CANCEL", 1, talk.invite.branch)
        message.headers = [(k, v) if k != "To" else ("To", talk.remote) for k, v in message.headers]
        message.start = f"CANCEL {talk.invite.uri} SIP/2.0"
        self.repeat_plain(talk, message, "cancel")
        self.clock.after(64 * T1, lambda: self.final(talk, 0) if talk.state != "talking" else None)

    def repeat_plain(self, talk: Talk, message: Message, key: str) -> None:
        """A non-INVITE client transaction whose branch is another one's."""
        talk.tries[key] = False
        talk.asked[key] = message

        def again(wait: int, left: int) -> None:
            if talk.tries.get(key, True) or left <= 0:
                return
            self.say(message)
            if self.transport == UDP:
                self.clock.after(wait, lambda: again(min(2 * wait, T2), left - wait))

        again(T1, 64 * T1)

    def hang_up(self, talk: Talk) -> None:
        if talk.state != "talking":
            return
        if not talk.caller and not talk.got_ack:
            self.clock.after(SECOND // 2, lambda: self.hang_up(talk))  # RFC 3261 15
            return
        talk.gave_up = True
        self.end(talk)
        talk.cseq += 1
        self.start(talk, self.request(talk, "BYE", talk.cseq, "z9hG4bK" + self.fresh("b")))

    def ask(self, talk: Talk, method: str, body: str = "") -> None:
        if talk.state == "talking" and (talk.caller or talk.got_ack):
            talk.cseq += 1
            self.start(
                talk, self.request(talk, method, talk.cseq, "z9hG4bK" + self.fresh("b"), body)
            )

    def cut_off(self) -> None:
        """Its connection is gone: a call that nobody has answered yet is over for it (as for JsSIP)."""
        for talk in self.talks.values():
            if talk.caller and talk.state in ("calling", "ringing") and not self.habits.waits_on:
                talk.gave_up = talk.timed_out = True
                branch = talk.invite.branch if talk.invite else ""
                talk.unheard = not talk.tries.get(branch, True)
                talk.finals.append(503)
                self.end(talk)
        ringing = [
            key
            for key, talk in self.talks.items()
            if not talk.caller and talk.state in ("calling", "ringing")
        ]
        for key in ringing if not self.habits.rings_on else ():
            talk = self.talks.pop(key)
            if talk.invite is not None:
                self.answers.pop((talk.invite.branch, "INVITE"), None)
            self.end(talk)

    def is_back(self) -> None:
        """On its next connection: what nobody has answered goes again (RFC 5626 4.4.1 leaves the transactions alone)."""
        for talk in self.talks.values():
            if not talk.timed_out:
                for branch, message in talk.asked.items():
                    if not talk.tries.get(branch, True):
                        self.say(message)

    # -- receiving

    def hear(self, data: bytes) -> None:
        message = parse(data)
        if message.status:
            self.hear_response(message)
        else:
            self.hear_request(message)

    def hear_response(self, message: Message) -> None:
        talk = self.talks.get(message.get("Call-ID"))
        if talk is None:
            return
        if message.method == "CANCEL":
            talk.tries["cancel"] = True
            return
        if message.branch not in talk.tries:
            return
        if message.method != "INVITE" or message.branch != (
            talk.invite.branch if talk.invite else ""
        ):
            if message.status >= 200:
                talk.tries[message.branch] = True
                self.heard_answer(talk, message)
            return
        talk.tries[message.branch] = True
        if message.status < 200:
            if message.status > 100 and talk.state == "calling":
                talk.state = "ringing"
            if (
                "100rel" in message.get("Require")
                and int(message.get("RSeq") or 0) == talk.rseq + 1
            ):
                talk.rseq += 1
                self.prack(talk, message)
        elif message.status < 300:
            self.connected(talk, message)
        else:
            ack = self.request(talk, "ACK", 1, message.branch)
            ack.headers = [
                (k, v) if k != "To" else ("To", message.get("To")) for k, v in ack.headers
            ]
            self.say(ack)
            self.final(talk, message.status)

    def prack(self, talk: Talk, message: Message) -> None:
        talk.cseq += 1
        early = Talk(
            talk.call_id,
            True,
            talk.local,
            talk.local_tag,
            talk.remote,
            message.to_tag,
            uri_in(message.get("Contact")),
        )
        request = self.request(
            early,
            "PRACK",
            talk.cseq,
            "z9hG4bK" + self.fresh("b"),
            extra=[("RAck", f"{message.get('RSeq')} 1 INVITE")],
        )
        self.start(talk, request)

    def heard_answer(self, talk: Talk, message: Message) -> None:
        if message.method == "INVITE" and message.status < 300:
            ack = self.request(talk, "ACK", message.cseq[0], "z9hG4bK" + self.fresh("b"))
            self.say(ack)
            talk.held = "sendonly" in self.last_offer if hasattr(self, "last_offer") else talk.held
        elif message.method == "INVITE":
            ack = self.request(talk, "ACK", message.cseq[0], message.branch)
            self.say(ack)
        if message.method == "INFO" and message.status == 200:
            talk.infos += 1

    def connected(self, talk: Talk, message: Message) -> None:
        if talk.gave_up and talk.timed_out:
            return  # its transaction died with its connection: nobody's
        if message.to_tag in talk.acks:
            self.say(talk.acks[message.to_tag])
            return
        late = Talk(
            talk.call_id,
            True,
            talk.local,
            talk.local_tag,
            talk.remote,
            message.to_tag,
            uri_in(message.get("Contact")),
        )
        body = self.sdp() if self.habits.late_offer else ""
        ack = self.request(late, "ACK", 1, "z9hG4bK" + self.fresh("b"), body)
        talk.acks[message.to_tag] = ack
        self.say(ack)
        self.final(talk, message.status)
        if talk.state == "ended":
            return
        talk.remote_tag, talk.target, talk.state, talk.answered_at = (
            message.to_tag,
            late.target,
            "talking",
            self.clock.now,
        )
        self.live(talk)
        if talk.gave_up:  # our CANCEL crossed the answer
            self.hang_up(talk)

    def live(self, talk: Talk) -> None:
        habits = self.habits
        if habits.hang_up_after:
            self.clock.after(habits.hang_up_after * SECOND, lambda: self.hang_up(talk))
        if habits.hold_after:
            self.clock.after(
                habits.hold_after * SECOND, lambda: self.ask(talk, "INVITE", self.sdp("sendonly"))
            )
        if habits.info_after:
            self.clock.after(habits.info_after * SECOND, lambda: self.ask(talk, "INFO"))

    def final(self, talk: Talk, status: int) -> None:
        if talk.timed_out or (talk.finals and status == 0):
            return  # RFC 3261 17.1.1.2: the transaction is gone, what comes later is nobody's
        if status == 0:
            talk.timed_out, status = True, 408
        talk.finals.append(status)
        if status >= 300:
            self.end(talk)

    def end(self, talk: Talk) -> None:
        if talk.state != "ended":
            talk.state, talk.ended_at = "ended", self.clock.now

    def hear_request(self, message: Message) -> None:
        key = (message.branch, message.method)
        if key in self.answers and message.method != "ACK":
            self.say(self.answers[key])
            return
        talk = self.talks.get(message.get("Call-ID"))
        match message.method:
            case "INVITE" if not message.to_tag and merged(talk, message):
                self.answer(message, 482, "Loop Detected", talk.local_tag if talk else "")
            case "INVITE" if not message.to_tag:
                self.ring(message)
            case "ACK":
                if talk is not None:
                    self.acked(talk)
            case "CANCEL":
                self.answer(message, 200 if talk else 481, "OK", "")
                if (
                    talk is not None
                    and talk.state in ("calling", "ringing")
                    and talk.invite is not None
                ):
                    self.answer(talk.invite, 487, "Request Terminated", talk.local_tag)
                    self.end(talk)
            case _ if talk is None or talk.state == "ended" or message.to_tag != talk.local_tag:
                self.answer(message, 481, "Call/Transaction Does Not Exist", "")
            case _ if message.cseq[0] <= talk.remote_cseq:
                self.answer(message, 500, "CSeq went back", "")
            case "BYE":
                self.answer(message, 200, "OK", "")
                self.end(talk)
            case "INVITE":
                talk.remote_cseq = message.cseq[0]
                talk.held = "sendonly" in message.body or "inactive" in message.body
                direction = "recvonly" if talk.held else "sendrecv"
                self.answer(message, 200, "OK", "", self.sdp(direction))
                self.repeat_until_ack(talk, message, "")
            case "UPDATE" | "INFO" | "PRACK" | "NOTIFY" | "OPTIONS" | "MESSAGE":
                talk.remote_cseq = message.cseq[0]
                talk.infos += message.method == "INFO"
                self.answer(message, 200, "OK", "")
            case _:
                self.answer(message, 405, "Method Not Allowed", "")

    def answer(
        self,
        request: Message,
        status: int,
        reason: str,
        tag: str,
        body: str = "",
        extra: list[tuple[str, str]] | None = None,
    ) -> Message:
        contact = (
            self.contact if request.method in ("INVITE", "UPDATE") and 100 < status < 300 else ""
        )
        message = reply(request, status, reason, tag or "none", contact, body, extra)
        key = (request.branch, request.method)
        if request.method == "INVITE" or (self.transport == UDP and not self.habits.forgets):
            self.answers[key] = message
            self.clock.after(64 * T1, lambda: self.answers.pop(key, None) and None)
        self.say(message)
        return message

    def ring(self, invite: Message) -> None:
        call_id = invite.get("Call-ID")
        if call_id in self.talks:
            self.ghosts += 1
        talk = Talk(
            call_id,
            False,
            invite.get("To"),
            self.fresh("tag"),
            invite.get("From").split(";tag=")[0],
            invite.from_tag,
            uri_in(invite.get("Contact")),
        )
        talk.remote_cseq, talk.invite, talk.routes = (
            invite.cseq[0],
            invite,
            invite.all("Record-Route"),
        )
        self.answer(invite, 100, "Trying", "")
        self.talks[call_id] = talk
        habits = self.habits
        self.clock.after(habits.ring_after * SECOND, lambda: self.ringing(talk, invite))
        if habits.answer_after:
            self.clock.after(habits.answer_after * SECOND, lambda: self.pick_up(talk, invite))
        if habits.decline_after:
            self.clock.after(habits.decline_after * SECOND, lambda: self.decline(talk, invite))

    def ringing(self, talk: Talk, invite: Message) -> None:
        if talk.state != "calling":
            return
        talk.state = "ringing"
        if self.habits.reliable and "100rel" in invite.get("Supported"):
            message = self.answer(
                invite, 180, "Ringing", talk.local_tag, extra=[("Require", "100rel"), ("RSeq", "1")]
            )
        else:
            message = self.answer(invite, 180, "Ringing", talk.local_tag)
        assert message is not None

    def decline(self, talk: Talk, invite: Message) -> None:
        if talk.state in ("calling", "ringing"):
            message = self.answer(invite, self.habits.decline_with, "No", talk.local_tag)
            self.end(talk)
            self.until_ack(talk, message, lambda: None)

    def pick_up(self, talk: Talk, invite: Message) -> None:
        if talk.state in ("calling", "ringing"):
            talk.state, talk.answered_at = "talking", self.clock.now
            self.answer(invite, 200, "OK", talk.local_tag, self.sdp())
            self.repeat_until_ack(talk, invite, talk.local_tag)

    def repeat_until_ack(self, talk: Talk, invite: Message, tag: str) -> None:
        """RFC 3261 13.3.1.4: the 2xx is repeated on every transport, then the session is ended."""
        talk.got_ack = False

        def give_up() -> None:
            if talk.state == "talking":
                talk.got_ack = True
                self.hang_up(talk)

        self.until_ack(talk, self.answers[(invite.branch, "INVITE")], give_up, every=True)

    def until_ack(
        self, talk: Talk, message: Message, give_up: Callable[[], None], *, every: bool = False
    ) -> None:
        started = self.clock.now
        talk.got_ack = False

        def again(wait: int) -> None:
            if talk.got_ack or (every and talk.state == "ended"):
                return
            if self.clock.now - started >= 64 * T1:
                give_up()
                return
            self.say(message)
            self.clock.after(min(2 * wait, T2), lambda: again(min(2 * wait, T2)))

        if every or self.transport == UDP:
            self.clock.after(T1, lambda: again(T1))

    def acked(self, talk: Talk) -> None:
        talk.got_ack = True
        if talk.state == "talking" and not talk.caller and not talk.lives:
            talk.lives = True  # a re-INVITE may have overtaken the first ACK
            self.live(talk)


def merged(talk: Talk | None, invite: Message) -> bool:
    """RFC 3261 8.2.2.2: the same request as another transaction, while the first one is in hand."""
    return (
        talk is not None
        and talk.state in ("calling", "ringing")
        and talk.remote_tag == invite.from_tag
        and talk.remote_cseq == invite.cseq[0]
    )


def branch_of(data: bytes) -> str:
    return param(parse(data).get("Via"), "branch")
