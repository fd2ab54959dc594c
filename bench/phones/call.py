"""A call as its two phones see it: what each was told, and when. Nothing here knows what the server thinks."""

import asyncio
import re
import time

from msgspec import Struct

from phones import message
from phones.message import Message
from phones.phone import GIVE_UP, T1, T2, Phone, fresh

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns={}\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Belief(Struct):
    """One side. Times are time.time(); 0: never."""

    invited_at: float = 0.0
    rang_at: float = 0.0
    answered_at: float = 0.0  # callee: its 200 sent; caller: the 200 heard
    confirmed: bool = False  # callee: the ACK was heard
    ended_at: float = 0.0  # a BYE sent or heard, CANCEL, or the final refusal
    ended_by_me: bool = False
    status: int = 0  # the final one
    trouble: str = ""  # a request of its that failed


class Call:
    """The caller's side, and by its SDP's session name the callee's."""

    def __init__(self, name: str, caller: Phone, callee: Phone) -> None:
        self.name, self.caller, self.callee = name, caller, callee
        self.call_id = fresh("call")
        self.near, self.far = Belief(), Belief()
        self.answer_after: float | None = 0.0  # seconds of ringing; None: when told
        self.cseq = 0
        self.tag = fresh("t")
        self.via = ""
        self.invite_headers: list[tuple[str, str]] = []
        self.to = f"<{callee.aor}>"
        self.target = callee.aor
        self.route: list[tuple[str, str]] = []
        self.more: list[tuple[str, str]] = []  # headers of the INVITE
        self.ack = b""
        self.cancelled = False
        # the callee's half
        self.request: Message | None = None
        self.far_tag = fresh("u")
        self.far_cseq = 0
        self.ok = b""
        self.repeat: asyncio.TimerHandle | None = None
        self.repeat_until = 0.0

    # --- media: a call with audio has its own -------------------------------------------------------------------------

    def near_sdp(self) -> str:
        return SDP.format(self.name)

    def far_sdp(self) -> str:
        return SDP.format(self.name)

    def near_told(self, body: str) -> None:
        """The caller heard a description."""

    def far_told(self, body: str) -> None:
        """The callee heard one."""

    # --- the caller ---------------------------------------------------------------------------------------------------

    def invite(self, credential: str = "") -> None:
        self.near.invited_at = self.near.invited_at or time.time()
        self.caller.dialogs[self.call_id] = self._caller_asked
        self.cseq += 1
        self.invite_headers = self._headers(f"{self.cseq} INVITE")
        more = [("Contact", self.caller.contact), *self.more]
        if credential:
            more.append(("Proxy-Authorization", credential))
        self.via, _ = self.caller.request(
            "INVITE",
            self.callee.aor,
            [*self.invite_headers, *more],
            self._invite_answered,
            self.near_sdp(),
        )

    def _headers(self, cseq: str) -> list[tuple[str, str]]:
        mine = f"<{self.caller.aor}>;tag={self.tag}"
        return [("From", mine), ("To", self.to), ("Call-ID", self.call_id), ("CSeq", cseq)]

    def _invite_answered(self, response: Message | None) -> None:
        near = self.near
        if response is None:
            near.trouble = near.trouble or "INVITE: no answer"
            near.ended_at = time.time()
            return
        status = response.status
        if status < 200:
            if status > 100 and not near.rang_at:
                near.rang_at = time.time()
            return
        if status < 300:
            self._talk(response)
            return
        self.caller.say(
            "ACK",
            self.callee.aor,
            [*self.invite_headers[:1], ("To", response.first("to")), *self.invite_headers[2:3],
             ("CSeq", f"{response.cseq[0]} ACK")],
            self.via,
        )  # fmt: skip
        if status in (401, 407) and self.cseq == 1:
            header = "www-authenticate" if status == 401 else "proxy-authenticate"
            user, password = self.caller.user, self.caller.password
            aor = self.callee.aor
            self.invite(message.authorization(response.all(header), "INVITE", aor, user, password))
        elif not near.status:
            near.status, near.ended_at = status, near.ended_at or time.time()

    def _talk(self, response: Message) -> None:
        if self.ack:
            self.caller.wire.send(self.ack)
            return
        self.near.answered_at, self.near.status = time.time(), 200
        self.near_told(response.body)
        self.to = response.first("to")
        self.target = message.uri(response.first("contact"))
        self.route = [("Route", route) for route in reversed(response.all("record-route"))]
        headers = [*self._headers(f"{response.cseq[0]} ACK"), *self.route]
        self.ack = self.caller.say("ACK", self.target, headers)
        if self.cancelled:  # CANCEL crossed the answer (RFC 3261 9.1)
            self.caller_hangs_up()

    def cancel(self) -> None:
        if self.near.status or self.near.trouble:
            return
        self.cancelled = True
        self.near.ended_by_me, self.near.ended_at = True, time.time()
        headers = [*self.invite_headers[:3], ("CSeq", f"{self.cseq} CANCEL")]
        self.caller.same_branch(
            "CANCEL", self.callee.aor, headers, self.via, self._near_done("CANCEL")
        )

    def caller_hangs_up(self) -> None:
        if not self.near.answered_at or (self.near.ended_at and not self.cancelled):
            return
        self.near.ended_at, self.near.ended_by_me = time.time(), True
        self.cseq += 1
        headers = [*self._headers(f"{self.cseq} BYE"), *self.route]
        self.caller.request("BYE", self.target, headers, self._near_done("BYE"))

    def _near_done(self, what: str):  # type: ignore[no-untyped-def]
        def answered(response: Message | None) -> None:
            if response is None or response.status >= 300:
                # 481: the other side had hung up at the same moment
                said = response.status if response else "no answer"
                if not (said == 481 and self.far.ended_by_me):
                    self.near.trouble = f"{what}: {said}"

        return answered

    def _caller_asked(self, request: Message) -> None:
        match request.method:
            case "BYE":
                self.caller.reply(request, 200, "OK", self.tag)
                if not self.near.ended_at:
                    self.near.ended_at = time.time()
            case "ACK":
                pass
            case "INVITE" | "UPDATE":
                self.near_told(request.body)
                self.caller.reply(request, 200, "OK", self.tag, self.near_sdp())
            case _:
                self.caller.reply(request, 200, "OK", self.tag)

    # --- the callee ---------------------------------------------------------------------------------------------------

    def arrives(self, request: Message) -> None:
        """The callee's phone got the INVITE."""
        self.request = request
        self.far_told(request.body)
        self.far.invited_at = self.far.rang_at = time.time()
        self.callee.dialogs[request.first("call-id")] = self._callee_asked
        self.callee.reply(request, 180, "Ringing", self.far_tag)
        if self.answer_after is not None:
            asyncio.get_running_loop().call_later(self.answer_after, self.answer)

    def answer(self) -> None:
        if self.request is None or self.far.status:
            return
        self.far.status, self.far.answered_at = 200, time.time()
        self.ok = self.callee.reply(self.request, 200, "OK", self.far_tag, self.far_sdp())
        self.repeat_until = time.time() + GIVE_UP
        self._repeat_ok(T1)

    def _repeat_ok(self, pause: float) -> None:
        """RFC 3261 13.3.1.4: until the ACK, over any transport."""

        def again() -> None:
            if self.far.confirmed or self.far.ended_at:
                return
            if time.time() > self.repeat_until:
                self.far.trouble = "no ACK"
                return
            self.callee.repeats += 1
            self.callee.wire.send(self.ok)
            self._repeat_ok(min(pause * 2, T2))

        self.repeat = asyncio.get_running_loop().call_later(pause, again)

    def decline(self) -> None:
        if self.request is None or self.far.status:
            return
        self.far.status, self.far.ended_at, self.far.ended_by_me = 486, time.time(), True
        self.callee.reply(self.request, 486, "Busy Here", self.far_tag)

    def callee_hangs_up(self) -> None:
        if not self.far.answered_at or self.far.ended_at or self.request is None:
            return
        self.far.ended_at, self.far.ended_by_me = time.time(), True
        self.far_cseq += 1
        asked = self.request
        headers = [
            ("From", f"{asked.first('to')};tag={self.far_tag}"),
            ("To", asked.first("from")),
            ("Call-ID", asked.first("call-id")),
            ("CSeq", f"{self.far_cseq} BYE"),
        ]
        headers += [("Route", route) for route in asked.all("record-route")]

        self.callee.request(
            "BYE", message.uri(asked.first("contact")), headers, self._far_done("BYE")
        )

    def _far_done(self, what: str):  # type: ignore[no-untyped-def]
        def answered(response: Message | None) -> None:
            if response is None or response.status >= 300:
                said = response.status if response else "no answer"
                if not (said == 481 and self.near.ended_by_me):
                    self.far.trouble = f"{what}: {said}"

        return answered

    def _callee_asked(self, request: Message) -> None:
        match request.method:
            case "ACK":
                self.far.confirmed = True
            case "BYE":
                self.callee.reply(request, 200, "OK", self.far_tag)
                if not self.far.ended_at:
                    self.far.ended_at = time.time()
            case "CANCEL":
                self.callee.reply(request, 200, "OK", self.far_tag)
                if not self.far.status and self.request:
                    self.far.status, self.far.ended_at = 487, time.time()
                    self.callee.reply(self.request, 487, "Request Terminated", self.far_tag)
            case "INVITE" if not self.far.status:
                # forked back to the same phone: one is enough
                self.callee.reply(request, 482, "Loop Detected", self.far_tag)
            case "INVITE" | "UPDATE":
                self.far_told(request.body)
                self.callee.reply(request, 200, "OK", self.far_tag, self.far_sdp())
            case _:
                self.callee.reply(request, 200, "OK", self.far_tag)


def name_in(request: Message) -> str:
    """The session name that `Call` put into its SDP: it crosses a B2BUA."""
    found = re.search(r"^s=(\S+)", request.body, re.MULTILINE)
    return found[1] if found else ""
