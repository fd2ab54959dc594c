"""A call while one step changes it: a scratch copy with the verbs that every case uses. It is frozen again at the end."""

from msgspec.structs import replace

from tandem.boundary import Request
from tandem.calls.model import tell, text
from tandem.calls.model.call import (
    ANSWERED,
    DIALOGS_PER_CALL,
    ENDED,
    GONE,
    LINGER,
    Attempt,
    Call,
    Client,
    Effect,
    Leg,
    Remembered,
    Server,
)
from tandem.calls.model.ways import ANSWER, FAR, OFFER
from tandem.records.model import CallEvent, Cdr

MAX_FORWARDS = 70
NUMBERS = "0123456789abcdefghjkmnpqrstvwxyz"


class Draft:
    """`call` holds the plain fields; legs, attempts and transactions are dicts until `freeze`."""

    def __init__(self, call: Call, now: int) -> None:
        self.call = call
        self.now = now
        self.at = now  # when the edge received what is being stepped
        self.legs: dict[str, Leg] = {leg.name: leg for leg in call.legs}
        self.attempts: dict[int, Attempt] = {attempt.n: attempt for attempt in call.attempts}
        self.servers: dict[int, Server] = {server.txn: server for server in call.servers}
        self.clients: dict[int, Client] = {client.n: client for client in call.clients}
        self.effects: list[Effect] = []
        self.notes: list[CallEvent] = []
        self.cdr: Cdr | None = None
        self.follows = False  # all that it says follows from what is saved

    def freeze(self) -> Call:
        return replace(
            self.call,
            legs=tuple(self.legs.values()),
            attempts=tuple(self.attempts.values()),
            servers=tuple(self.servers.values()),
            clients=tuple(self.clients.values()),
        )

    def set(self, **changes: object) -> None:
        self.call = replace(self.call, **changes)

    def leg(self, name: str, **changes: object) -> Leg:
        """Changes a leg and returns it."""
        leg = self.legs[name] = replace(self.legs[name], **changes)
        return leg

    def attempt(self, n: int, **changes: object) -> Attempt:
        attempt = self.attempts[n] = replace(self.attempts[n], **changes)
        return attempt

    def note(self, what: str, told: str = "") -> None:
        self.notes.append(CallEvent(self.at, self.call.id, self.call.tenant, what, told))

    # -- names

    def next_n(self) -> int:
        n = self.call.next_n
        self.set(next_n=n + 1)
        return n

    def new_name(self) -> str:
        """The number of a new pair of dialogs, as one character; "" when the call has too many."""
        number = self.call.next_leg
        if number >= DIALOGS_PER_CALL:
            return ""
        self.set(next_leg=number + 1)
        return NUMBERS[number]

    # -- server transactions

    def receive(self, request: Request, leg: str) -> Server:
        """Remembers a request, so that it can be answered, now or by an heir."""
        head = (
            f"From: {request.from_}\r\nTo: {request.to}\r\nCall-ID: {request.call_id}\r\n"
            f"CSeq: {request.cseq} {request.method}\r\n{request.record_routes}"
        )
        server = Server(
            txn=request.txn, method=request.method, leg=leg, flow=request.flow, vias=request.vias, head=head,
            call_id=request.call_id, cseq=request.cseq, tagged=bool(request.to_tag), at=self.now,
        )  # fmt: skip
        self.servers[request.txn] = server
        return server

    def respond(
        self,
        txn: int,
        status: int,
        *,
        extra: str = "",
        content_type: str = "",
        body: bytes = b"",
        reason: str = "",
        tag: str = "",
        contact: str = "",
        reliable: bool = False,
        of: str = "",
        verb: str = ANSWER,
    ) -> None:
        """Says a response; `tag` is ours, for a request that came without one; `of`: whose description it carries."""
        server = self.servers[txn]
        head = server.head
        if not server.tagged and status > 100:
            line_end = head.index("\r\n", head.index("\r\nTo: ") + 2)
            head = f"{head[:line_end]};tag={tag or self.call.id + 'a0'}{head[line_end:]}"
        message = text.response(status, head, extra, content_type, body, reason)
        self.servers[txn] = replace(
            server, status=status, message=message, contact=contact, reliable=reliable, at=self.now,
            ended_at=self.now if status >= 200 else 0,
        )  # fmt: skip
        self.effects = [
            effect
            for effect in self.effects
            if effect.do != "respond" or effect.ref != txn or status < 200
        ]
        self.effects.append(Effect("respond", txn, until=self.now + LINGER))
        self.pass_on("respond", txn, of, server.leg or "a", verb, content_type, body)

    def pass_on(
        self, do: str, ref: int, of: str, to: str, verb: str, content_type: str, body: bytes, tag: str = ""
    ) -> None:  # fmt: skip
        """A description of `of` for `to`: where it must go by the relay, what has just been said waits for that."""
        known = self.call.media
        if known is None:
            return
        passes = of and body and (verb == OFFER or known.ways)
        if not (passes or known.waits):
            return
        from tandem.calls.model import media  # it reads drafts

        media.supersede(self, do, ref, tag)
        if passes:
            media.pass_on(
                self, do, ref, verb=verb, of=of, to=to, content_type=content_type, body=body, tag=tag
            )  # fmt: skip

    # -- client transactions

    def ask(
        self,
        leg: Leg,
        method: str,
        *,
        extra: str = "",
        content_type: str = "",
        body: bytes = b"",
        serves: int = 0,
        why: str = "",
        quiet: bool = False,
        logins: int = 0,
        max_forwards: int = MAX_FORWARDS,
        of: str = "",
        verb: str = OFFER,
    ) -> Client:
        """Sends a request in a leg's dialog, with the next CSeq; `of`: whose description it carries."""
        leg = self.leg(leg.name, local_cseq=leg.local_cseq + 1)
        n = self.next_n()
        remote_tag = f";tag={leg.remote_tag}" if leg.remote_tag else ""
        head = (
            f"From: {leg.local};tag={leg.local_tag}\r\nTo: {leg.remote}{remote_tag}\r\nCall-ID: {leg.call_id}\r\n"
            f"CSeq: {leg.local_cseq} {method}\r\nMax-Forwards: {max_forwards}\r\n"
        )
        message = text.request(method, leg.target, leg.routes, head, extra, content_type, body)
        contact = (
            self.contact(leg)
            if method in ("INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY")
            else ""
        )
        client = Client(
            n=n, method=method, leg=leg.name, flow=leg.flow, contact=contact, call_id=leg.call_id, message=message,
            at=self.now, serves=serves, why=why, cseq=leg.local_cseq, quiet=quiet, logins=logins,
        )  # fmt: skip
        self.clients[n] = client
        self.effects.append(Effect("ask", n, until=self.now + LINGER))
        self.pass_on("ask", n, of, leg.name, verb, content_type, body)
        return client

    def cancel(self, n: int) -> None:
        """CANCEL of our INVITE `n` (RFC 3261 9.1); the core holds it until the INVITE has a provisional."""
        invite = self.clients[n]
        if self.call.media is not None and (wait := self.call.media.wait("ask", n)) is not None:
            self.set(media=self.call.media.without(wait))
            if not wait.doubt:  # it has not been said
                self.close(n)
                return
            # whether the peer knows the INVITE is not known; nobody shall repeat it
            invite = self.clients[n] = replace(invite, proceeding=True)
        leg = self.legs[invite.leg]
        head, _, _ = invite.message.partition(b"\r\n\r\n")
        lines = [
            line
            for line in head.decode("latin-1").split("\r\n")[1:]
            if line.startswith(("Route:", "From:", "To:", "Call-ID:"))
        ]
        uri = invite.message.split(b" ", 2)[1].decode("latin-1")
        told = "\r\n".join(
            [
                f"CANCEL {uri} SIP/2.0",
                *lines,
                f"CSeq: {invite.cseq} CANCEL",
                f"Max-Forwards: {MAX_FORWARDS}",
                "",
                "",
            ]
        )
        own = self.next_n()
        self.clients[own] = Client(
            n=own, method="CANCEL", leg=leg.name, flow=invite.flow, contact="", call_id=leg.call_id, message=told.encode("latin-1"),
            at=self.now, why="cancel", cseq=invite.cseq, quiet=True, branch_of=n, cut=invite.cut,
        )  # fmt: skip
        if not invite.cut:  # else it goes where the INVITE goes, once the phone is there again
            self.effects.append(Effect("ask", own, until=self.now + LINGER))

    def ack(
        self, n: int, leg: Leg, *, content_type: str = "", body: bytes = b"", of: str = ""
    ) -> None:
        """ACK to the 2xx that `leg` gave to our INVITE `n`."""
        invite = self.clients[n]
        branch = self.next_n()
        head = (
            f"From: {leg.local};tag={leg.local_tag}\r\nTo: {leg.remote};tag={leg.remote_tag}\r\nCall-ID: {leg.call_id}\r\n"
            f"CSeq: {invite.cseq} ACK\r\nMax-Forwards: {MAX_FORWARDS}\r\n"
        )
        login = authorization_line(invite.message)
        message = text.request("ACK", leg.target, leg.routes, head, login, content_type, body)
        remembered = Remembered(branch, leg.remote_tag, message, leg.flow)
        self.clients[n] = replace(
            invite, acks=(*invite.acks, remembered), ended_at=invite.ended_at or self.now
        )
        self.effects.append(Effect("ack", n, leg.remote_tag, until=self.now + LINGER))
        self.pass_on("ack", n, of, leg.name, ANSWER, content_type, body, leg.remote_tag)

    def close(self, n: int) -> None:
        """A final response came."""
        client = self.clients.get(n)
        if client is not None and not client.ended_at:
            self.clients[n] = replace(client, ended_at=self.now)

    def closed_by_evidence(self) -> None:
        """The caller's INVITE was answered by an owner whose write is lost: nothing more is said in it."""
        server = self.servers.get(self.call.invite)
        if server is not None:
            self.servers[server.txn] = replace(
                server, status=200, acked=True, ended_at=self.now, message=b""
            )

    def tell(self, to: str, word: tell.Word, *, of: str = "", verb: str = OFFER) -> None:
        """Says something to another call; `of`: whose description it carries."""
        if of and self.call.media is not None and isinstance(word, tell.Described):
            from tandem.calls.model import media  # it reads drafts

            if media.pass_on(
                self, "tell", 0, verb=verb, of=of, to=FAR, content_type=word.content_type, body=word.body, tag=to,
                word=tell.write(word),
            ):  # fmt: skip
                return
        self.effects.append(
            Effect("tell", self.next_n(), to, until=tell.FOR_EVER, body=tell.write(word))
        )

    def stop(self, txn: int) -> None:
        """Ends the repetition of a reliable provisional."""
        self.servers[txn] = replace(self.servers[txn], reliable=False)
        self.effects.append(Effect("stop", txn, until=self.now + LINGER))

    def contact(self, leg: Leg) -> str:
        return leg.local_tag[-2:] + leg.contact

    # -- looking around

    def peer(self, leg: Leg) -> Leg | None:
        return self.legs.get(leg.peer)

    def open_server(self, leg: str, method: str) -> Server | None:
        """A request of this method from this leg that still waits for its final response."""
        return next(
            (
                s
                for s in self.servers.values()
                if s.leg == leg and s.method == method and not s.ended_at
            ),
            None,
        )

    def open_client(self, leg: str, *methods: str) -> Client | None:
        return next(
            (
                c
                for c in self.clients.values()
                if c.leg == leg and c.method in methods and not c.ended_at
            ),
            None,
        )

    def alive(self) -> list[Leg]:
        return [leg for leg in self.legs.values() if leg.state != GONE]

    def is_over(self) -> bool:
        return self.call.state == ENDED

    def unacked(self, leg: Leg) -> bool:
        return leg.state == ANSWERED and leg.name[0] == "a"


def authorization_line(message: bytes) -> str:
    """RFC 3261 22.1: an ACK carries the credentials of its INVITE."""
    head, _, _ = message.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    return "".join(
        f"{line}\r\n"
        for line in lines
        if line.startswith(("Authorization:", "Proxy-Authorization:"))
    )
