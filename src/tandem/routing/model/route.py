"""Decides where a call goes: `route` turns what was asked into a plan or a refusal. It looks up; it sends nothing."""

from tandem.accounts.model.account import User
from tandem.routing.model.carriers import Carried, emergency_stages, trunk_stages
from tandem.routing.model.identity import Identity, trunk_identity, user_identity
from tandem.routing.model.lists import allows, denied
from tandem.routing.model.media import with_media
from tandem.routing.model.numbers import normalise
from tandem.routing.model.plan import Asked, Diversion, Limit, Plan, Refusal, Target
from tandem.routing.model.tables import Place, Tables, country_of
from tandem.routing.model.uri import split_name_addr, split_uri

FORWARDS_MOST = 5
STAGES_MOST = 16
RING_SECONDS = 30

Stages = list[tuple[Target, ...]]


def route(tables: Tables, asked: Asked, hash: int = 0, now: int = 0) -> Plan | Refusal:
    """Where the call goes.

    hash: any number that is spread evenly and the same for the same call (a keyed hash of its Call-ID): it picks among
    weights. now: microseconds since 1970, for schedules.
    """
    return with_media(tables, _route(tables, asked, hash, now))


def _route(tables: Tables, asked: Asked, hash: int, now: int) -> Plan | Refusal:
    kind, _, name = asked.trust.partition(":")
    if kind == "user":
        return _from_user(tables, asked, name, hash, now)
    if kind == "trunk":
        return _from_trunk(tables, asked, name, hash, now)
    if kind == "stranger":
        return _from_stranger(tables, asked, name)
    return Refusal(403, "Forbidden", "the caller is not known here")


def _from_user(tables: Tables, asked: Asked, aor: str, hash: int, now: int) -> Plan | Refusal:
    name, _, domain = aor.partition("@")
    place = tables.domains.get(domain)
    caller = place.users.get(name) if place else None
    if place is None or caller is None:
        return Refusal(403, "Forbidden", f"{aor} is no user here", caller=aor)
    tenant = place.tenant
    dialled, host = split_uri(asked.uri)
    shown = user_identity(place, caller, asked.from_)
    if rescue := _rescued(place, asked.uri, aor, shown):
        return rescue
    journey = _Journey(tables, place, shown, aor, hash, now, asked.instance)
    callee = dialled if host in ("", domain) else f"{dialled}@{host}"
    if not caller.enabled:
        return journey.refusal(403, "Forbidden", f"{aor} is switched off", aor, callee)
    if host != domain and not _ours(tables, host):
        return journey.refusal(404, "Not Found", f"{host} is not served here", aor, callee)
    refused = journey.reach(dialled, caller)
    if refused:
        return journey.refusal(*refused, aor, callee)
    most = caller.max_calls or tenant.max_user_calls
    return Plan(
        tenant.id,
        aor,
        shown.number,
        shown.name,
        journey.callee,
        tuple(journey.stages),
        (Limit(f"user:{aor}", most), *place.limits) if most else place.limits,
        _shorter(caller.max_call_seconds, tenant.max_call_seconds),
        why=journey.why,
    )


def _from_stranger(tables: Tables, asked: Asked, domain: str) -> Plan | Refusal:
    """Whoever proved nothing reaches emergency numbers alone. What the From claims is told to nobody as a number."""
    place = tables.domains.get(domain)
    by = f"stranger:{domain}"
    if place is None:
        return Refusal(403, "Forbidden", f"{domain} is not served here", caller=by)
    rescue = _rescued(place, asked.uri, by, Identity("", ""))
    why = "who is not known here reaches emergency numbers only"
    return rescue or Refusal(403, "Forbidden", why, place.tenant.id, by)


def _from_trunk(tables: Tables, asked: Asked, id: str, hash: int, now: int) -> Plan | Refusal:
    dialled = split_uri(asked.uri)[0]
    id = _by_login(tables, id, dialled)
    trunk = tables.trunks.get(id)
    by = f"trunk:{id}"
    if trunk is None or not trunk.enabled:
        return Refusal(403, "Forbidden", f"trunk {id} is not known or switched off", caller=by)
    reader = tables.readers[id]
    by_login = trunk.register and dialled == (trunk.contact or trunk.username)
    if by_login:  # the Request-URI is our Contact; the number that was called is in To, if anywhere
        dialled = split_uri(split_name_addr(asked.to)[1])[0]
    number = normalise(dialled, reader)
    if trunk.format == "digits" and dialled.isdigit() and len(dialled) > reader.short_digits:
        number = "+" + dialled
    place = tables.tenants.get(trunk.tenant or tables.numbers.get(number, ""))
    if place is None and not trunk.tenant:
        place = tables.domains.get(trunk.default_to.partition("@")[2])
    if place is None:
        why = f"nobody has the number {number or dialled}"
        return Refusal(404, "Not Found", why, trunk.tenant, by, number or dialled)
    shown = trunk_identity(trunk, reader, asked)
    journey = _Journey(tables, place, shown, "", hash, now, asked.instance)
    user = _find(place, dialled) or _find(place, number)
    if by_login and dialled == (trunk.contact or trunk.username) and trunk.default_to:
        user = None  # a user who is called as our account is by chance
    wanted = user.name if user else trunk.default_to
    if not wanted:
        why = f"nobody has the number {number or dialled}, and trunk {id} has no default"
        return journey.refusal(404, "Not Found", why, by, number or dialled)
    refused = journey.reach(wanted, None)
    if refused:
        return journey.refusal(*refused, by, number or dialled)
    own = (Limit(by, trunk.max_calls),) if trunk.max_calls else ()
    return Plan(
        place.tenant.id,
        by,
        shown.number,
        shown.name,
        journey.callee,
        tuple(journey.stages),
        (*own, *place.limits),
        place.tenant.max_call_seconds,
        caller_trusted=trunk.trusted,
        inbound_headers=trunk.headers_in,
        why=f"{number or dialled} from trunk {id}: {journey.why}",
    )


def _by_login(tables: Tables, id: str, user: str) -> str:
    """Of several accounts with one carrier, which all call from the same addresses, the one whose Contact was asked."""
    trunk, ids = tables.trunks.get(id), tables.logins.get(user, ())
    if trunk is None or id in ids:
        return id
    return next((other for other in ids if tables.trunks[other].host == trunk.host), id)


class _Journey:
    """One search: collects the stages while it follows forwards."""

    __slots__ = (
        "callee",
        "hash",
        "instance",
        "now",
        "origin",
        "place",
        "shown",
        "stages",
        "tables",
        "why",
    )

    def __init__(
        self,
        tables: Tables,
        place: Place,
        shown: Identity,
        origin: str,
        hash: int,
        now: int,
        instance: str = "",
    ) -> None:
        self.instance = instance
        self.tables, self.place, self.shown = tables, place, shown
        self.origin = origin  # the calling user's address of record; "" when a carrier calls
        self.hash, self.now = hash, now
        self.stages: Stages = []
        self.callee = self.why = ""

    def refusal(self, status: int, reason: str, why: str, caller: str, callee: str) -> Refusal:
        return Refusal(status, reason, why, self.place.tenant.id, caller, callee)

    def reach(
        self,
        dialled: str,
        payer: User | None,
        diverted: tuple[Diversion, ...] = (),
        seen: tuple[str, ...] = (),
        after: int = -1,
        on: str = "failed",
    ) -> tuple[int, str, str] | None:
        """Adds the stages for what was dialled; or says why there are none, and adds none.

        payer: the user whose permission counts, None for calls from a trunk. seen: users who have forwarded already.
        """
        place = self.place
        dialled, _, domain = dialled.partition("@")
        if domain and domain != place.tenant.domain:
            return 404, "Not Found", f"{domain} is not served here"
        user = _find(place, dialled)
        if user:
            return self._user(user, payer, diverted, seen, after, on)
        number = normalise(dialled, place.tenant)
        user = _find(place, number) if number else None
        if user:
            return self._user(user, payer, diverted, seen, after, on)
        if not number or payer is None:
            return 404, "Not Found", f"nobody is called {dialled[:64]}"
        self.callee = self.callee or number
        why = self._outward(number, payer)
        if why:
            return 403, "Forbidden", why
        carried = Carried(number, self.hash, self.now, diverted, after, on, len(self.stages))
        stages, why = trunk_stages(self.tables, place, carried)
        if not stages:
            return 404, "Not Found", why
        self.stages += stages[: max(0, STAGES_MOST - len(self.stages))]
        self.why = self.why or why
        return None

    def _user(
        self,
        user: User,
        payer: User | None,
        diverted: tuple[Diversion, ...],
        seen: tuple[str, ...],
        after: int,
        on: str,
    ) -> tuple[int, str, str] | None:
        tenant = self.place.tenant
        aor = f"{user.name}@{tenant.domain}"
        if not self.callee:
            self.callee, self.why = aor, f"{aor} is a user"
        if user.name in seen:
            # RFC 3261 21.4.18; 483 would speak of Max-Forwards, which is untouched
            return 482, "Loop Detected", f"forwarding comes back to {aor}"
        if len(seen) >= FORWARDS_MOST + 1:
            # not 483 (Max-Forwards was not 0) and no loop either: he cannot be reached now
            return 480, "Temporarily Unavailable", f"more than {FORWARDS_MOST} forwardings"
        if not user.enabled:
            return 480, "Temporarily Unavailable", f"{aor} is switched off"
        if self.place.lists and (why := self._inward(user, aor, payer)):
            return 403, "Forbidden", why
        if user.forward_always and not self.instance:
            self.why = f"{self.why}, {aor} forwards all calls to {user.forward_always}"
            moved = self._moved(user, aor, diverted, "unconditional")
            return self.reach(user.forward_always, user, moved, (*seen, user.name), after, on)
        most = user.max_calls or tenant.max_user_calls
        number = len(self.stages)
        self.stages.append(
            (
                Target(
                    "user",
                    "sip:" + aor,
                    aor,
                    ring_seconds=user.ring_seconds or tenant.ring_seconds or RING_SECONDS,
                    limits=(Limit("user:" + aor, most),) if most else (),
                    after=after,
                    on=on,
                    diverted=diverted,
                    instance=self.instance,
                ),
            )
        )
        if self.instance:
            return None
        for to, outcome, reason in (
            (user.forward_busy, "busy", "user-busy"),
            (user.forward_no_answer, "no-answer", "no-answer"),
        ):
            if to and len(self.stages) < STAGES_MOST:
                moved = self._moved(user, aor, diverted, reason)
                # a forward that leads nowhere is left out: the caller hears busy, or no answer
                self.reach(to, user, moved, (*seen, user.name), number, outcome)
        return None

    def _moved(
        self, user: User, aor: str, diverted: tuple[Diversion, ...], reason: str
    ) -> tuple[Diversion, ...]:
        number = normalise(user.number, self.place.tenant) if user.number else ""
        return (*diverted, Diversion(aor, number or user.name, reason))

    def _inward(self, user: User, aor: str, payer: User | None) -> str:
        """Why the lists keep this call from a user; "" if they do not."""
        lists = self.place.lists
        number = normalise(self.shown.number, self.place.tenant) or self.shown.number
        if not self.origin:
            country, length = country_of(self.tables, number)
            for owner in ("", user.name):
                if not allows(lists.get((owner, "in")), number, country, length):
                    return f"calls from {number} are not let in by {owner or 'the tenant'}"
        # between users only whole names and numbers count: who may not call abroad may call the next room
        payers = (self.origin, f"{payer.name}@{self.place.tenant.domain}" if payer else "")
        for by in payers:
            if by and denied(lists.get((user.name, "in")), by, number if by == self.origin else ""):
                return f"{user.name} takes no calls from {by}"
        if payer and denied(lists.get((payer.name, "out")), aor):
            return f"{payer.name} may not call {aor}"
        return ""

    def _outward(self, number: str, payer: User) -> str:
        lists = self.place.lists
        if not lists:
            return ""
        country, length = country_of(self.tables, number)
        for owner in ("", payer.name):
            if not allows(lists.get((owner, "out")), number, country, length):
                return f"calls to {number} are not allowed for {owner or 'the tenant'}"
        return ""


def _find(place: Place, name: str) -> User | None:
    user = place.users.get(name)
    if user is None:
        user = place.users.get(place.aliases.get(name, ""))
        if user is None and not name.islower():
            user = place.users.get(name.lower())
    return user


def _rescued(place: Place, uri: str, caller: str, shown: Identity) -> Plan | None:
    """The plan of an emergency call; None: it is none."""
    rescue = _emergency(place, uri, split_uri(uri)[0]) if place.emergency else None
    if rescue is None:
        return None
    number, stages, why = rescue
    return Plan(
        place.tenant.id,
        caller,
        shown.number,
        shown.name,
        number,
        stages,
        emergency=True,
        why=why,
    )


def _emergency(
    place: Place, uri: str, dialled: str
) -> tuple[str, tuple[tuple[Target, ...], ...], str] | None:
    if uri[:15].lower() == "urn:service:sos":
        dialled = "sos"
    lines = place.emergency.get(dialled) or place.emergency.get(
        normalise(dialled.removeprefix("+"), place.tenant)
    )
    if not lines:
        return None
    number = lines[0][0].number
    return number, emergency_stages(place, lines), f"{number} is an emergency number"


def _ours(tables: Tables, host: str) -> bool:
    # an address instead of a name can only be ours: the message came here, and numbers never route to hosts
    return host in tables.hosts or host.replace(".", "").isdigit() or ":" in host or host == ""


def _shorter(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other
