"""What calls ask of routing and of the registrar: plans, and where phones are. It keeps nothing of a call."""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from tandem.boundary import Flow, Request, Response
from tandem.calls.model import text
from tandem.calls.model.call import Call, Contact
from tandem.names.model import Peer, Place, as_written
from tandem.routing.model import gruu
from tandem.routing.model.plan import Asked, Plan, Refusal, Target
from tandem.routing.model.route import route
from tandem.routing.model.tables import Tables

CONTACTS_RUNG = 10  # bindings of one address of record that are rung together

# as src/tandem/_core.pyi has it
Binding = tuple[str, float, tuple[int, int, int, int, str, int], str, str, int, int, bool]


class Registrar(Protocol):
    """As much of tandem._core.Node as is needed here."""

    def lookup(self, aor: str) -> list[Binding]: ...
    def temporary(self, user: str) -> tuple[str, str] | None: ...


class Directory:
    """The shell's Outside. `tables` is replaced as a whole when the tables change."""

    def __init__(
        self,
        *,
        tables: Tables,
        registrar: Registrar,
        now: Callable[[], int],
        places: Callable[[Peer, int], tuple[Place, ...]] = as_written,
    ) -> None:
        """`places` gives where a trunk can be reached, in the order for a hash; none when its name leads nowhere now."""
        self.tables, self.registrar, self.now, self.places = tables, registrar, now, places

    def place(self, request: Request) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        asserted = request.special.get("p-asserted-identity", [""])[0]
        asked = Asked(
            request.trust,
            request.uri,
            request.from_,
            request.to,
            asserted,
            request.special.get("privacy", [""])[0],
        )
        return self.ask(asked, request.txn)

    def elsewhere(
        self, call: Call, cause: Response | Request
    ) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        """Where a redirection or a transfer leads, on the account of whoever asks for it."""
        if isinstance(cause, Response):
            attempt = next((a for a in call.attempts if a.n == cause.n), None)
            who = attempt.target.aor if attempt and attempt.target.aor else call.caller.identity
            uri = text.uri_of(text.commas(cause.contact)[0]) if cause.contact else ""
        else:
            leg = next((leg for leg in call.legs if leg.local_tag == cause.to_tag), None)
            who = leg.aor if leg and leg.aor else call.caller.identity
            uri = text.uri_of(cause.special["refer-to"][0]).partition("?")[0]
        return self.reach(who, uri, hash=len(call.id))

    def reach(
        self, who: str, uri: str, *, hash: int = 0
    ) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        """A plan for `who` (an address of record, trunk:id or stranger:domain) to call `uri`."""
        trust = who if who.startswith(("trunk:", "stranger:")) else f"user:{who}"
        return self.ask(Asked(trust, uri, f"<sip:{who}>", f"<{uri}>"), hash)

    def ask(self, asked: Asked, hash: int) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        asked = self.named(asked) if ";gr" in asked.uri else asked
        plan = route(self.tables, asked, hash, self.now())
        if isinstance(plan, Refusal):
            return plan, {}
        if any(target.host for stage in plan.stages for target in stage):
            stages = tuple(
                tuple(self.located(target, hash) for target in stage) for stage in plan.stages
            )
            plan = replace(plan, stages=stages)
        aors = {target.aor for stage in plan.stages for target in stage if target.aor}
        kind, _, caller = asked.trust.partition(":")
        if kind == "user":
            aors.add(caller)  # so that a call knows which of the caller's phones it came from
        return plan, {aor: self.contacts(aor) for aor in aors}

    def named(self, asked: Asked) -> Asked:
        """What a GRUU asks for (RFC 5627 5.4): one phone of an address of record. A void one names nobody: 404."""
        public = gruu.instance_of(asked.uri)
        if public:
            return replace(asked, instance=public)
        user = gruu.temporary_of(asked.uri)
        if user is None:
            return asked
        found = self.registrar.temporary(user)
        return (
            replace(asked, uri=f"sip:{found[0]}", instance=found[1].strip("<>")) if found else asked
        )

    def located(self, target: Target, hash: int) -> Target:
        """A trunk's first place, with the others behind it. A name without one stays: it cannot be sent to, and the next target is tried."""
        peer = Peer(target.host, target.port, target.transport)
        places = self.places(peer, hash) if target.host else ()
        if not places:
            return target
        first, *others = places
        return replace(
            target,
            host=first.host,
            port=first.port,
            transport=first.transport,
            others=tuple(others),
        )

    def contacts(self, aor: str) -> tuple[Contact, ...]:
        """The bindings of an address of record, best q first; those that answer nothing only where there are no others."""
        bindings = self.registrar.lookup(aor)
        answering = [binding for binding in bindings if binding[7]]
        found = [
            Contact(uri, Flow(*flow), q, instance, path, reg_id)
            for uri, q, flow, instance, path, _, reg_id, _ in answering or bindings
        ]
        return tuple(sorted(found, key=lambda contact: -contact.q)[:CONTACTS_RUNG])
