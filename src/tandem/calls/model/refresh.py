"""Session timers (RFC 4028) per dialog: agreed with each peer separately, refreshed by whoever said so."""

from msgspec.structs import replace

from tandem.boundary import Request, Response
from tandem.calls.model import text
from tandem.calls.model.call import CONFIRMED, GONE, Session
from tandem.calls.model.draft import Draft

SECOND = 1_000_000
EXPIRES_EARLY = 32 * SECOND  # RFC 4028 10: BYE somewhat before the end, min(32 s, a third)


def read(values: list[str] | None) -> tuple[int, str]:
    """(interval in seconds, refresher) of a Session-Expires; (0, "") when absent or not readable."""
    if not values:
        return 0, ""
    first, *params = values[0].split(";")
    refresher = next(
        (
            p.partition("=")[2].strip().lower()
            for p in params
            if p.strip().lower().startswith("refresher")
        ),
        "",
    )
    return (int(first), refresher) if first.strip().isdigit() else (0, "")


def agree(asked: dict[str, list[str]], response: Response) -> tuple[str, int, str]:
    """Lines for our 2xx to a peer that asked for a timer, the interval, and who refreshes ("uac" is the peer)."""
    interval, refresher = read(asked.get("session-expires"))
    if not interval or "timer" not in text.tokens(asked.get("supported")):
        return "", 0, ""
    told, _ = read(response.special.get("session-expires"))
    interval = min(interval, told) if told else interval
    refresher = refresher or "uac"
    required = "Require: timer\r\n" if refresher == "uac" else ""
    return f"{required}Session-Expires: {interval};refresher={refresher}\r\n", interval, refresher


def of_callee(response: Response) -> tuple[int, bool]:
    """The interval that a callee's 2xx sets for its dialog, and whether the refreshes are ours."""
    interval, refresher = read(response.special.get("session-expires"))
    return interval, refresher != "uas"


def start(draft: Draft, name: str, interval: int, ours: bool) -> None:
    """(Re)starts the timer of a dialog from now."""
    leg = draft.legs[name]
    until = draft.now + interval * SECOND if interval else 0
    draft.leg(name, session=replace(leg.session, interval=interval, ours=ours, until=until))


def refreshed(draft: Draft, name: str, message: Request | Response) -> None:
    """A refresh passed in this dialog, in either direction."""
    leg = draft.legs[name]
    interval, refresher = read(message.special.get("session-expires"))
    if interval:
        asked_by_peer = isinstance(message, Request)
        ours = refresher == ("uas" if asked_by_peer else "uac")
        start(draft, name, interval, ours)
    elif leg.session.interval:
        start(draft, name, leg.session.interval, leg.session.ours)


def due_at(session: Session) -> int:
    """When something must be done: half-way for a refresh of ours, shortly before the end otherwise."""
    if not session.interval:
        return 0
    whole = session.interval * SECOND
    if session.ours:
        return session.until - whole // 2
    return session.until - min(EXPIRES_EARLY, whole // 3)


def tick(draft: Draft) -> list[str]:
    """Sends the refreshes that are due; returns the dialogs whose peer has not refreshed in time."""
    silent = []
    for leg in list(draft.legs.values()):
        if leg.state == GONE or not leg.session.interval or draft.now < due_at(leg.session):
            continue
        if not leg.session.ours:
            silent.append(leg.name)
        elif leg.state == CONFIRMED and draft.open_client(leg.name, "INVITE", "UPDATE") is None:
            interval = leg.session.interval
            draft.leg(leg.name, session=Session(interval, True, draft.now + interval * SECOND))
            extra = f"Session-Expires: {interval};refresher=uac\r\nSupported: timer\r\n"
            draft.ask(draft.legs[leg.name], "UPDATE", extra=extra, why="refresh")
    return silent
