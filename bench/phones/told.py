"""A call in which somebody says one thing, once, at a moment; afterwards, whether it had its effect on both sides."""

import time

from phones import message
from phones.call import SDP, Call
from phones.message import Message
from phones.phone import Answered, Phone

KINDS = ("BYE", "CANCEL", "486", "PRACK", "INFO")
TALKING = ("BYE", "INFO")


class Told(Call):
    """`kind` is what is said; in a dialog by the caller or, where `by_callee`, by the other side."""

    def __init__(self, name: str, caller: Phone, callee: Phone, kind: str, by_callee: bool) -> None:
        super().__init__(name, caller, callee)
        self.kind, self.by_callee = kind, by_callee and kind in TALKING
        self.answer_after = 0.0 if kind in TALKING else None
        if kind == "PRACK":
            self.more.append(("Supported", "100rel"))
        self.reliable: Message | None = None  # the provisional response that waits for our PRACK
        self.said_at = 0.0
        self.answered_with = 0  # the final response to what was said
        self.heard = False  # by the other side

    @property
    def is_ready(self) -> bool:
        if self.kind in TALKING:
            return self.far.confirmed
        return self.reliable is not None if self.kind == "PRACK" else bool(self.near.rang_at)

    def says(self) -> None:
        self.said_at = time.time()
        match self.kind:
            case "BYE" if self.by_callee:
                self.callee_hangs_up()
            case "BYE":
                self.caller_hangs_up()
            case "CANCEL":
                self.cancel()
            case "486":
                self.decline()
            case "PRACK":
                self._prack()
            case _:
                self._info()

    @property
    def missing(self) -> str:
        """What has not happened; "" when it had its effect."""
        near, far = self.near, self.far
        match self.kind:
            case "BYE":
                mine, other = (far, near) if self.by_callee else (near, far)
                found = mine.trouble or ("" if other.ended_at else "the other side hears nothing")
                return found or ("" if self.answered_with == 200 else "no answer")
            case "CANCEL":
                if near.status != 487:
                    return f"the caller hears {near.status}"
                return near.trouble or ("" if far.status == 487 else "the callee rings on")
            case "486":
                if near.status != 486:
                    return f"the caller hears {near.status}"
                return "" if self.heard else "no ACK"
            case _:
                if self.answered_with != 200:
                    return f"answered with {self.answered_with}"
                return "" if self.heard else "the other side hears nothing"

    def ends(self) -> None:
        """What is left of it."""
        if self.near.answered_at:
            self.caller_hangs_up()
        else:
            self.cancel()

    # --- what is said

    def _prack(self) -> None:
        assert self.reliable is not None
        number, cseq = self.reliable.first("rseq"), self.reliable.cseq[0]
        self.to, self.cseq = self.reliable.first("to"), self.cseq + 1
        headers = [*self._headers(f"{self.cseq} PRACK"), ("RAck", f"{number} {cseq} INVITE")]
        self.caller.request(
            "PRACK", message.uri(self.reliable.first("contact")), headers, self._answered
        )

    def _info(self) -> None:
        if not self.by_callee:
            self.cseq += 1
            self.caller.request(
                "INFO", self.target, self._headers(f"{self.cseq} INFO"), self._answered
            )
            return
        assert self.request is not None
        self.far_cseq += 1
        asked = self.request
        headers = [("From", f"{asked.first('to')};tag={self.far_tag}"), ("To", asked.first("from"))]
        headers += [
            ("Call-ID", asked.first("call-id")),
            ("CSeq", f"{self.far_cseq} INFO"),
        ]
        self.callee.request("INFO", message.uri(asked.first("contact")), headers, self._answered)

    def _answered(self, response: Message | None) -> None:
        self.answered_with = response.status if response else -1

    # --- what is heard

    def _invite_answered(self, response: Message | None) -> None:
        if response is not None and 100 < response.status < 200 and response.first("rseq"):
            self.reliable = self.reliable or response
        super()._invite_answered(response)

    def _near_done(self, what: str):  # type: ignore[no-untyped-def]
        return self._also(super()._near_done(what))

    def _far_done(self, what: str):  # type: ignore[no-untyped-def]
        return self._also(super()._far_done(what))

    def _also(self, done: Answered) -> Answered:
        def answered(response: Message | None) -> None:
            self._answered(response)
            done(response)

        return answered

    def _caller_asked(self, request: Message) -> None:
        self.heard = self.heard or request.method == self.kind
        super()._caller_asked(request)

    def _callee_asked(self, request: Message) -> None:
        self.heard = self.heard or request.method == self.kind
        if self.kind == "486" and request.method == "ACK":
            self.heard = True
        super()._callee_asked(request)

    def arrives(self, request: Message) -> None:
        if self.kind != "PRACK":
            super().arrives(request)
            return
        self.request = request
        self.far.invited_at = self.far.rang_at = time.time()
        self.callee.dialogs[request.first("call-id")] = self._callee_asked
        body = SDP.format(self.name)
        data = message.answer(request, 183, "Progress", self.far_tag, self.callee.contact, body)
        self.callee.wire.send(data.replace(b"\r\n", b"\r\nRequire: 100rel\r\nRSeq: 1\r\n", 1))
