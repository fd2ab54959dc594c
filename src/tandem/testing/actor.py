"""A phone that does what a test tells it, in the words of a trace: transactions and dialogs by RFC 3261, no product code.

Each verb waits until it can be done (`bob.rings()` waits for his INVITE), so that one flow reads and runs the same
with an owner dying anywhere in it.
"""

from collections.abc import Callable
from typing import Protocol

from tandem.testing.line import Dialog, Line
from tandem.testing.sim.clock import SECOND, Clock
from tandem.testing.sim.wire import Message, parse, reply, uri_in

T1, T2 = SECOND // 2, 4 * SECOND
UDP, TCP = 1, 2
ALLOW = "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, REFER, NOTIFY, MESSAGE, OPTIONS"
SUPPORTED = "100rel, timer, replaces"
SDP = (
    "v=0\r\no={name} 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP {codecs}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
)
Lines = list[tuple[str, str]]


class Stage(Protocol):
    """What an actor needs of the play that it is in."""

    clock: Clock

    def until(self, true: Callable[[], object], why: str, seconds: float = 40) -> None: ...
    def send(self, actor: "Actor", data: bytes) -> None: ...
    def heard_from(self, sdp: str) -> str: ...


class Actor:
    """`acks`, `pracks` and `replies` say which of its reflexes work; the rest a test tells it."""

    def __init__(self, stage: Stage, name: str, host: str, transport: int) -> None:
        self.stage, self.name, self.host, self.transport = stage, name, host, transport
        self.clock = stage.clock
        self.lines: list[Line] = []
        self.served: dict[tuple[str, str], Message] = {}
        self.tries: dict[
            tuple[str, str], tuple[Line, bool]
        ] = {}  # client transactions: True when answered
        self.waits: dict[
            tuple[str, str], bool
        ] = {}  # responses that are repeated until this turns False
        self.number = 0
        self.ghosts = 0
        self.said: list[Message] = []
        self.heard: list[Message] = []
        self.finished: set[tuple[str, str]] = set()  # client transactions that had their final
        self.refused: set[tuple[str, str]] = set()
        self.kept: list[bytes] | None = None
        self.acks = self.pracks = self.replies = True
        self.codecs = "0 101"
        self.supported = SUPPORTED
        self.replies_with: dict[str, tuple[int, Lines]] = {}  # by method, for one in-dialog request

    # -- words

    @property
    def line(self) -> Line:
        return self.lines[-1]

    @property
    def talks(self) -> dict[str, Line]:
        return {line.call_id: line for line in self.lines}

    @property
    def contact(self) -> str:
        return (
            f"<sip:{self.name}@{self.host}:5060{';transport=tcp' if self.transport == TCP else ''}>"
        )

    def fresh(self, kind: str) -> str:
        self.number += 1
        return f"{kind}-{self.name}-{self.number}"

    def sdp(self, direction: str = "sendrecv", address: str = "") -> str:
        self.number += 1
        return SDP.format(
            name=self.name,
            version=self.number,
            host=self.host,
            address=address or self.host,
            codecs=self.codecs,
            direction=direction,
        )

    def say(self, message: Message) -> None:
        self.said.append(message)
        self.stage.send(self, message.bytes())

    def request(
        self,
        line: Line,
        dialog: Dialog,
        method: str,
        cseq: int,
        branch: str,
        body: str = "",
        extra: Lines | None = None,
    ) -> Message:
        transport = "UDP" if self.transport == UDP else "TCP"
        headers = [
            ("Via", f"SIP/2.0/{transport} {self.host}:5060;branch={branch};rport"),
            *[("Route", route) for route in dialog.routes],
            ("Max-Forwards", "70"), ("From", f"{line.local};tag={dialog.local_tag}"),
            ("To", f"{line.remote};tag={dialog.tag}" if dialog.tag else line.remote),
            ("Call-ID", line.call_id), ("CSeq", f"{cseq} {method}"),
        ]  # fmt: skip
        if method in ("INVITE", "UPDATE", "REFER"):
            headers += [("Contact", self.contact), ("Allow", ALLOW)]
            if self.supported:
                headers.append(("Supported", self.supported))
        given = {name.lower() for name, _ in extra or []}
        headers = [pair for pair in headers if pair[0].lower() not in given] + (extra or [])
        if body and "content-type" not in given:
            headers.append(("Content-Type", "application/sdp"))
        return Message(f"{method} {dialog.target} SIP/2.0", headers, body)

    # -- what a caller does

    def invites(
        self,
        who: str,
        *extra: tuple[str, str],
        offer: bool = True,
        body: str = "",
        call_id: str = "",
        tag: str = "",
    ) -> Line:
        """A new call to `who`: a name, or a whole URI."""
        uri = who if who.startswith("sip:") else f"sip:{who}@sim"
        line = Line(
            call_id or self.fresh("call") + "@" + self.host, True, f'"{self.name.title()}" <sip:{self.name}@sim>',
            tag or self.fresh("tag"), f"<{uri}>", uri, Message("", []),
        )  # fmt: skip
        dialog = Dialog(line.local_tag, "", uri, [])
        body = body or (self.sdp() if offer else "")
        line.invite = self.request(
            line, dialog, "INVITE", 1, "z9hG4bK" + self.fresh("b"), body, list(extra)
        )
        self.lines.append(line)
        self.start(line, line.invite, lambda: self.final(line, 408))
        return line

    def cancels(self, line: Line | None = None) -> None:
        line = line or self.line
        self.stage.until(
            lambda: self.tries[line.invite.branch, "INVITE"][1],
            "a provisional before CANCEL (RFC 3261 9.1)",
        )
        line.gave_up = True
        if line.finals:
            return
        bare = Dialog(line.local_tag, "", line.target, [])
        self.start(line, self.request(line, bare, "CANCEL", 1, line.invite.branch))

    def asks(
        self,
        method: str,
        *extra: tuple[str, str],
        body: str = "",
        line: Line | None = None,
        dialog: Dialog | None = None,
    ) -> Message:
        """A request in the dialog; its answers are in `line.heard`."""
        line = line or self.line
        self.stage.until(lambda: line.dialogs, f"a dialog for {method}")
        dialog = dialog or line.dialog
        line.cseq += 1
        message = self.request(
            line, dialog, method, line.cseq, "z9hG4bK" + self.fresh("b"), body, list(extra)
        )
        self.start(line, message)
        return message

    def reinvites(
        self,
        direction: str = "sendrecv",
        *,
        address: str = "",
        line: Line | None = None,
        offer: bool = True,
    ) -> Message:
        line = line or self.line
        self.stage.until(
            lambda: line.state == "talking" and (line.caller or line.got_ack),
            f"{self.name} to talk",
        )
        return self.asks("INVITE", body=self.sdp(direction, address) if offer else "", line=line)

    def hangs_up(self, line: Line | None = None) -> None:
        line = line or self.line
        self.stage.until(
            lambda: (
                line.state == "ended" or (line.state == "talking" and (line.caller or line.got_ack))
            ),
            f"{self.name} to talk",
        )
        line.gave_up = True
        if line.state != "ended":
            self.end(line)
            self.asks("BYE", line=line)

    def refers(self, to: str, *extra: tuple[str, str], line: Line | None = None) -> Message:
        line = line or self.line
        self.stage.until(
            lambda: line.state == "talking" and (line.caller or line.got_ack),
            f"{self.name} to talk",
        )
        return self.asks("REFER", ("Refer-To", to), *extra, line=line)

    def replaces(self, line: Line | None = None, early: bool = False) -> str:
        """The value of a Replaces header that names this call of ours, as its peer would be asked (RFC 3891 3)."""
        line = line or self.line
        dialog = line.dialog
        return f"{line.call_id};to-tag={dialog.tag};from-tag={dialog.local_tag}{';early-only' if early else ''}"

    # -- what a callee does

    def rung(self) -> Line:
        """The INVITE that rings here now, awaited."""

        def ringing() -> Line | None:
            return next(
                (
                    one
                    for one in self.lines
                    if not one.caller and one.state in ("calling", "ringing")
                ),
                None,
            )

        self.stage.until(ringing, f"an INVITE at {self.name}")
        found = ringing()
        assert found is not None
        return found

    def rings(
        self,
        status: int = 180,
        *extra: tuple[str, str],
        sdp: bool = False,
        reliable: int = 0,
        tag: str = "",
        line: Line | None = None,
    ) -> Line:
        line = line or self.rung()
        line.state = "ringing"
        tag = tag or line.local_tag
        self.early(line, tag)
        lines: Lines = [("Contact", self.contact), ("Allow", ALLOW), *extra]
        if reliable:
            lines += [("Require", "100rel"), ("RSeq", str(reliable))]
        message = self.answer(line.invite, status, tag, self.sdp() if sdp else "", lines)
        if reliable:
            self.repeat(("rel", f"{tag}{reliable}"), message)
        return line

    def answers(
        self,
        *extra: tuple[str, str],
        status: int = 200,
        tag: str = "",
        line: Line | None = None,
        body: str = "",
    ) -> Line:
        line = line or self.rung()
        tag = tag or line.local_tag
        dialog = self.early(line, tag)
        dialog.state = line.state = "talking"
        line.answered_at = line.answered_at or self.clock.now
        lines: Lines = [
            ("Contact", self.contact),
            ("Allow", ALLOW),
            ("Supported", self.supported),
            *extra,
        ]
        message = self.answer(line.invite, status, tag, body or self.sdp(), lines)
        self.repeat(("2xx", f"{line.call_id} {tag} {line.invite.cseq[0]}"), message)
        return line

    def declines(
        self, status: int = 486, *extra: tuple[str, str], line: Line | None = None
    ) -> Line:
        line = line or self.rung()
        message = self.answer(line.invite, status, line.local_tag, "", list(extra))
        self.end(line)
        if self.transport == UDP:
            self.repeat(("non2xx", line.invite.branch), message)
        return line

    def early(self, line: Line, tag: str) -> Dialog:
        key = (tag, line.invite.from_tag)
        routes = line.invite.all("Record-Route")
        return line.dialogs.setdefault(
            key,
            Dialog(
                tag,
                line.invite.from_tag,
                uri_in(line.invite.get("Contact")),
                routes,
                line.invite.cseq[0],
            ),
        )

    # -- transactions

    def start(
        self, line: Line, message: Message, expired: Callable[[], None] | None = None
    ) -> None:
        """A client transaction: repeated on UDP until answered (Timers A and E), given up after 64*T1."""
        key = (message.branch, message.method)
        self.tries[key] = (line, False)

        def again(wait: int) -> None:
            if not self.tries[key][1]:
                self.say(message)
                later = wait * 2 if message.method == "INVITE" else min(wait * 2, T2)
                self.clock.after(later, lambda: again(later))

        def expire() -> None:
            if not self.tries[key][1]:
                self.tries[key] = (line, True)
                if expired is not None:
                    expired()

        self.say(message)
        if self.transport == UDP:
            self.clock.after(T1, lambda: again(T1))
        self.clock.after(64 * T1, expire)

    def repeat(self, key: tuple[str, str], message: Message) -> None:
        """A response that is repeated until its ACK or PRACK, at most 64*T1."""
        self.waits[key] = True
        until = self.clock.now + 64 * T1

        def again(wait: int) -> None:
            if self.waits.get(key) and self.clock.now < until:
                self.say(message)
                self.clock.after(min(2 * wait, T2), lambda: again(min(2 * wait, T2)))

        self.clock.after(T1, lambda: again(T1))

    def answer(
        self,
        request: Message,
        status: int,
        tag: str = "none",
        body: str = "",
        extra: Lines | None = None,
    ) -> Message:
        message = reply(request, status, "Reason", tag, "", body, extra)
        key = (request.branch, request.method)
        if request.method == "INVITE" or self.transport == UDP:
            self.served[key] = message
            self.clock.after(64 * T1, lambda: self.served.pop(key, None) and None)
        self.say(message)
        return message

    # -- hearing

    def sleeps(self) -> None:
        """What comes from now on waits on the wire."""
        self.kept = []

    def wakes(self) -> None:
        kept, self.kept = self.kept or [], None
        for data in kept:
            self.hear(data)

    def hear(self, data: bytes) -> None:
        if self.kept is not None:
            self.kept.append(data)
            return
        message = parse(data)
        self.heard.append(message)
        if message.status:
            self.response(message)
        else:
            self.incoming(message)

    def learn(self, line: Line, message: Message) -> None:
        line.media = self.stage.heard_from(message.body) or line.media
        for text in message.body.split("\r\n"):
            if text in ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"):
                line.direction = text[2:]

    def response(self, message: Message) -> None:
        key = (message.branch, message.method)
        if key not in self.tries:
            return
        line, _ = self.tries[key]
        self.tries[key] = (line, True)
        if key in self.refused or (key in self.finished and message.method != "INVITE"):
            if message.method == "INVITE" and message.status >= 300:  # Completed: RFC 3261 17.1.1.2
                self.say(self.ack_of_failure(line, message))
            return
        if message.status >= 300:
            self.refused.add(key)
        if message.status >= 200:
            self.finished.add(key)
        line.heard.append(message)
        self.learn(line, message)
        if message.method != "INVITE":
            return
        first = message.branch == line.invite.branch
        if message.status >= 300:
            self.say(self.ack_of_failure(line, message))
            if first:
                self.final(line, message.status)
            return
        if message.status == 100 or not message.to_tag:
            return
        dialog = self.met(line, message)
        if message.status < 200:
            line.state = "ringing" if line.state == "calling" else line.state
            if (
                "100rel" in message.get("Require")
                and self.pracks
                and message.get("RSeq") not in dialog.routes
            ):
                self.prack(line, dialog, message)
            return
        self.connected(line, dialog, message, first=first)

    def met(self, line: Line, message: Message) -> Dialog:
        local_tag = line.local_tag if line.caller else message.from_tag
        dialog = line.dialogs.setdefault(
            (local_tag, message.to_tag), Dialog(local_tag, message.to_tag, "", [])
        )
        if message.get("Contact"):
            dialog.target = uri_in(message.get("Contact"))
        return dialog

    def prack(self, line: Line, dialog: Dialog, message: Message) -> None:
        if any(
            m.get("RAck").split()[:1] == [message.get("RSeq")] and m.to_tag == dialog.tag
            for m in self.said
            if m.method == "PRACK"
        ):
            return
        self.asks(
            "PRACK",
            ("RAck", f"{message.get('RSeq')} {message.cseq[0]} INVITE"),
            line=line,
            dialog=dialog,
        )

    def ack_of_failure(self, line: Line, message: Message) -> Message:
        asked = next(
            m
            for m in self.said
            if not m.status and m.branch == message.branch and m.method == "INVITE"
        )
        ack = Message(
            f"ACK {asked.uri} SIP/2.0", [("Via", asked.get("Via")), ("Max-Forwards", "70")], ""
        )
        ack.headers += [
            ("From", asked.get("From")),
            ("To", message.get("To")),
            ("Call-ID", line.call_id),
        ]
        ack.headers.append(("CSeq", f"{message.cseq[0]} ACK"))
        return ack

    def connected(self, line: Line, dialog: Dialog, message: Message, *, first: bool) -> None:
        """A 2xx: its ACK (the same for each repeat), with the answer where the 2xx made the offer."""
        if dialog.ack is not None and dialog.ack.cseq[0] == message.cseq[0]:
            self.say(dialog.ack)
            return
        if first:
            self.final(line, message.status)
            if line.state != "ended":
                line.state, line.answered_at = "talking", line.answered_at or self.clock.now
        dialog.state = "talking"
        if not self.acks:
            return
        asked = next(
            m
            for m in self.said
            if not m.status and m.branch == message.branch and m.method == "INVITE"
        )
        body = "" if asked.body or not message.body else self.sdp()
        dialog.ack = self.request(
            line, dialog, "ACK", message.cseq[0], "z9hG4bK" + self.fresh("b"), body
        )
        self.say(dialog.ack)
        if line.gave_up and first:  # our CANCEL crossed the answer
            self.end(line)
            self.asks("BYE", line=line, dialog=dialog)

    def final(self, line: Line, status: int) -> None:
        line.finals.append(status)
        if status >= 300:
            self.end(line)

    def end(self, line: Line) -> None:
        if line.state != "ended":
            line.state, line.ended_at = "ended", self.clock.now

    def incoming(self, message: Message) -> None:
        known = self.served.get((message.branch, message.method))
        if known is not None and message.method != "ACK":
            self.say(known)
            return
        found = next(
            ((one, d) for one in self.lines for d in one.dialogs.values()
             if one.call_id == message.get("Call-ID") and d.local_tag == message.to_tag and d.tag == message.from_tag), None,
        )  # fmt: skip
        if message.method == "INVITE" and not message.to_tag:
            self.ringing(message)
        elif message.method == "CANCEL":
            self.cancelled(message)
        elif message.method == "ACK":
            self.acked(message, found)
        elif found is None or (found[1].state == "ended" and message.method == "BYE"):
            self.answer(message, 481)
        else:
            self.inside(message, *found)

    def ringing(self, message: Message) -> None:
        if any(line.call_id == message.get("Call-ID") for line in self.lines):
            self.ghosts += 1
        line = Line(
            message.get("Call-ID"), False, message.get("To"), self.fresh("tag"), message.get("From").split(";tag=")[0],
            uri_in(message.get("Contact")), message,
        )  # fmt: skip
        line.heard.append(message)
        self.learn(line, message)
        self.lines.append(line)
        self.answer(message, 100)

    def cancelled(self, message: Message) -> None:
        line = next((one for one in self.lines if one.invite.branch == message.branch), None)
        self.answer(message, 200 if line else 481)
        if line is not None:
            line.heard.append(message)
            if line.state in ("calling", "ringing"):
                self.declines(487, line=line)

    def acked(self, message: Message, found: tuple[Line, Dialog] | None) -> None:
        self.waits["non2xx", message.branch] = False
        if found is not None:
            line, dialog = found
            line.heard.append(message)
            self.learn(line, message)
            self.waits["2xx", f"{line.call_id} {dialog.local_tag} {message.cseq[0]}"] = False
            line.got_ack = True

    def inside(self, message: Message, line: Line, dialog: Dialog) -> None:
        if message.cseq[0] <= dialog.remote_cseq:
            self.answer(message, 500)
            return
        dialog.remote_cseq = message.cseq[0]
        line.heard.append(message)
        self.learn(line, message)
        if message.get("Contact"):
            dialog.target = uri_in(message.get("Contact"))
        status, extra = self.replies_with.pop(message.method, (200, []))
        if message.method == "BYE":
            dialog.state = "ended"
            self.answer(message, 200)
            if all(d.state != "talking" for d in line.dialogs.values()):
                self.end(line)
            return
        if message.method == "PRACK":
            self.waits["rel", f"{dialog.local_tag}{message.get('RAck').split()[0]}"] = False
        if not self.replies:
            return
        changes = message.method == "INVITE" or (message.method == "UPDATE" and message.body)
        body = self.sdp(self.mirror(message.body)) if changes and status < 300 else ""
        contact = [("Contact", self.contact)] if message.method in ("INVITE", "UPDATE") else []
        said = self.answer(message, status, "none", body, [*contact, *extra])
        if message.method == "INVITE" and status < 300:
            self.repeat(("2xx", f"{line.call_id} {dialog.local_tag} {message.cseq[0]}"), said)

    def mirror(self, body: str) -> str:
        """The direction of an answer (RFC 3264 6.1)."""
        return next(
            (
                b
                for a, b in (
                    ("sendonly", "recvonly"),
                    ("recvonly", "sendonly"),
                    ("inactive", "inactive"),
                )
                if f"a={a}" in body
            ),
            "sendrecv",
        )
