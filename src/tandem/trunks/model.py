"""One registration of ours with a carrier (RFC 3261 10.2): a value, and what becomes of it. It sends and saves nothing."""

from msgspec import Struct
from msgspec.structs import replace

from tandem.boundary import Ask, Flow
from tandem.calls.model import text
from tandem.calls.model.draft import NUMBERS
from tandem.names.model import Place
from tandem.routing.model.rows import Trunk

SECOND = 1_000_000
RETRY_SECONDS = 5  # after the first failure; doubled with each further one,
RETRY_MOST_SECONDS = 600  # up to this
REFUSED_SECONDS = 60  # after a 403 or a wrong password: a registrar locks accounts that guess
RETRY_AFTER_MOST_SECONDS = 3_600  # a registrar may not send us away for longer
EXPIRES_MOST_SECONDS = 86_400
LOGINS_MOST = 2  # challenges answered in one round: the second one for stale=true
BRIEF_MOST = 2  # 423s obeyed in one round
HOPS_MOST = 3  # other servers of one name asked at once, before a failure waits
LEAVE_TRIES = 3  # REGISTERs with Expires 0 before the registration is left to lapse
LOST_WRITES = 1_000  # numbers that a node may have used after the last write that survived it
ANY_LOCAL = 255  # boundary.md, 2
ERROR_CHARACTERS = 200

REGISTERED, TRYING, FAILED, LEAVING = "registered", "trying", "failed", "leaving"


class Account(Struct, frozen=True, array_like=True):
    """What a REGISTER is made of; kept in the row, so that a trunk that is gone can still be unregistered."""

    host: str  # the registrar: an address or a name
    port: int  # 0: what DNS says
    transport: int  # 0: what DNS says
    domain: str
    user: str  # of our address of record and of our Contact
    username: str
    password: str
    seconds: int  # wished


class Registration(Struct, frozen=True, array_like=True):
    """`id` is of a call id's form: it names dialog, branches and the row."""

    id: str
    trunk: str
    account: Account
    due: int  # when the next REGISTER goes out, in microseconds since 1970
    until: int = 0  # registered until
    asked: int = 0  # the client transaction that waits for its answer; 0: none
    next_n: int = 1
    cseq: int = 0
    tries: int = 0  # failures since the last success
    logins: int = 0  # challenges answered in this round
    brief: int = 0  # 423s in this round
    seconds: int = 0  # to ask for, after a 423; 0: the account's
    leaving: bool = False
    farewell: bool = False  # what was asked last had Expires 0
    error: str = ""
    hops: int = 0  # other servers asked in this round


class Due(Struct, frozen=True):
    """Time to say something. place: where the registrar is; None when its name leads nowhere."""

    place: Place | None
    hash: int = 0  # keyed: spreads what comes next


class Answered(Struct, frozen=True):
    """The final answer to transaction n; 408 when there was none, 503 when it could not be sent."""

    n: int
    status: int
    reason: str = ""
    contact: str = ""
    special: dict[str, list[str]] = {}
    place: Place | None = None  # where it was asked
    hash: int = 0  # keyed: spreads what comes next
    other: Place | None = None  # another server of the same name, not asked in this round


class Wanted(Struct, frozen=True):
    """The trunk as it is configured now; account None: it is gone, or switched off."""

    account: Account | None


Event = Due | Answered | Wanted


def account_of(trunk: Trunk) -> Account | None:
    """What a trunk registers with; None: it does not."""
    user = trunk.contact or trunk.username
    if not (trunk.register and trunk.enabled and user):
        return None
    return Account(
        trunk.host, trunk.port, trunk.transport, trunk.from_host or trunk.host, user, trunk.username or user,
        trunk.password, trunk.register_seconds,
    )  # fmt: skip


def same_binding(one: Account, other: Account) -> bool:
    """Whether a REGISTER of the one renews that of the other."""
    return replace(one, password="", seconds=0) == replace(other, password="", seconds=0)


def adopted(registration: Registration, now: int) -> Registration:
    """As a new owner takes it up: an answer to the dead one will not come, and its last numbers may not be in the row."""
    asks = registration.asked or registration.due <= now
    return replace(
        registration, asked=0, due=now if asks else registration.due, logins=0, brief=0,
        next_n=registration.next_n + LOST_WRITES, cseq=registration.cseq + LOST_WRITES,
    )  # fmt: skip


def state(registration: Registration, now: int) -> str:
    """registered, trying, failed or leaving."""
    if registration.leaving:
        return LEAVING
    if registration.until > now:
        return REGISTERED
    return FAILED if registration.error else TRYING


def step(
    registration: Registration, event: Event, now: int
) -> tuple[Registration | None, Ask | None]:
    """What it becomes (None: over, its row may go) and the REGISTER to send once that is saved."""
    match event:
        case Wanted(account=None):
            return _leave(registration, now)
        case Wanted(account=account):
            assert account is not None
            changed = registration.account != account or registration.leaving
            kept = replace(registration, account=account, leaving=False)
            return replace(kept, due=now, seconds=0, tries=0) if changed else kept, None
        case Due(place=place, hash=hash) if not registration.asked and registration.due <= now:
            fresh = replace(registration, logins=0, brief=0, hops=0)
            if place is None:
                return _failed(fresh, now, f"{fresh.account.host} has no address", 0, hash)
            return _register(fresh, place)
        case Answered(n=n) if n == registration.asked:
            return _answered(replace(registration, asked=0), event, now)
    return registration, None


def _leave(registration: Registration, now: int) -> tuple[Registration | None, Ask | None]:
    if registration.until <= now and not registration.asked:
        return None, None
    if registration.leaving:
        return registration, None
    return replace(registration, leaving=True, due=now, tries=0), None


def _answered(
    registration: Registration, event: Answered, now: int
) -> tuple[Registration | None, Ask | None]:
    status, account, place = event.status, registration.account, event.place
    if status in (408, 503) and event.other and registration.hops < HOPS_MOST:  # RFC 3263 4.3
        return _register(replace(registration, hops=registration.hops + 1, logins=0), event.other)
    challenged = status in (401, 407) and registration.logins < LOGINS_MOST
    if challenged and place and (login := _login(registration, event)):
        again = replace(registration, logins=registration.logins + 1)
        return _register(again, place, login)
    if 200 <= status < 300:
        if registration.leaving and registration.farewell:
            return None, None
        if registration.farewell:  # it was wanted again meanwhile
            return replace(registration, until=0, due=now), None
        granted = _granted(event, account.user, registration.seconds or account.seconds)
        if granted <= 0:
            return _failed(registration, now, "the registrar granted no time", 0, event.hash)
        if registration.leaving:  # decided while this answer was on its way
            return replace(registration, until=now + granted * SECOND, due=now), None
        # half of the time leaves the other half for repairs; a tenth less at most, so that many trunks drift apart
        wait = granted * SECOND // 2 - event.hash % max(1, granted * SECOND // 20)
        return replace(
            registration, until=now + granted * SECOND, due=now + wait, tries=0, error="",
        ), None  # fmt: skip
    least = _number(event.special.get("min-expires", [""])[0])
    brief = not registration.leaving and registration.brief < BRIEF_MOST
    if status == 423 and brief and place and least:
        asking = min(max(least, account.seconds), EXPIRES_MOST_SECONDS)
        longer = replace(registration, seconds=asking, brief=registration.brief + 1)
        return _register(longer, place)
    after = min(_number(event.special.get("retry-after", [""])[0]), RETRY_AFTER_MOST_SECONDS)
    if status in (401, 403, 404, 407):
        after = max(after, REFUSED_SECONDS)
    return _failed(registration, now, f"{status} {event.reason}".strip(), after, event.hash)


def _failed(
    registration: Registration, now: int, error: str, after: int, hash: int
) -> tuple[Registration | None, Ask | None]:
    tries = registration.tries + 1
    if registration.leaving and (tries >= LEAVE_TRIES or registration.until <= now):
        return None, None
    wait = min(RETRY_SECONDS << min(tries - 1, 16), RETRY_MOST_SECONDS) * SECOND
    # between half and all of it; Retry-After is a least time, so its share comes on top
    wait = max(wait // 2 + hash % (wait // 2), after * SECOND + hash % (after * SECOND // 4 + 1))
    return replace(registration, tries=tries, due=now + wait, error=error[:ERROR_CHARACTERS]), None


def _register(
    registration: Registration, place: Place, login: str = ""
) -> tuple[Registration, Ask]:
    """The next REGISTER; it may be sent when the value that comes with it is saved."""
    account, n, cseq = registration.account, registration.next_n, registration.cseq + 1
    who = f"<sip:{account.user}@{bracketed(account.domain)}>"
    seconds = 0 if registration.leaving else registration.seconds or account.seconds
    call_id = registration.id + "b0"
    head = (
        f"From: {who};tag={registration.id}a0\r\nTo: {who}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n"
        f"Max-Forwards: 70\r\nExpires: {seconds}\r\nAllow: {text.ALLOW}\r\n{login}"
    )
    shard = NUMBERS.index(registration.id[0]) * 32 + NUMBERS.index(registration.id[1])
    flow = Flow(0, 0, place.transport, ANY_LOCAL, place.host, place.port)
    told = text.request("REGISTER", request_uri(account), (), head)
    ask = Ask(shard, registration.id, n, "REGISTER", flow, f"b0;user={account.user}", call_id, told)
    return replace(
        registration, asked=n, next_n=n + 1, cseq=cseq, farewell=registration.leaving
    ), ask


def _login(registration: Registration, event: Answered) -> str:
    account, proxy = registration.account, event.status == 407
    challenges = event.special.get("proxy-authenticate" if proxy else "www-authenticate", ())
    for challenge in challenges:  # RFC 8760 2.3: the first that we know
        # RFC 7616 3.4: the same nonce again means that the password was wrong
        if registration.logins and "stale=true" not in challenge.replace(" ", "").lower():
            return ""
        line = text.authorization(
            challenge, proxy=proxy, method="REGISTER", uri=request_uri(account), username=account.username,
            password=account.password, cnonce=f"{registration.id}{registration.next_n}",
        )  # fmt: skip
        if line:
            return line
    return ""


def _granted(event: Answered, user: str, wished: int) -> int:
    """Seconds: our Contact's own, else Expires, else what we asked for (RFC 3261 10.2.4)."""
    for value in text.commas(event.contact):
        if text.user_of(text.uri_of(value)) != user:
            continue
        for part in value[value.find(">") + 1 :].split(";"):
            name, _, seconds = part.partition("=")
            if name.strip().lower() == "expires":
                return min(_number(seconds), EXPIRES_MOST_SECONDS)
    if values := event.special.get("expires"):
        return min(_number(values[0]), EXPIRES_MOST_SECONDS)
    return wished


def _number(value: str) -> int:
    digits = value.strip().partition(";")[0].partition("(")[0].strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def request_uri(account: Account) -> str:
    """The registrar's domain, without a user (RFC 3261 10.2)."""
    return f"sip:{bracketed(account.domain)}"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
