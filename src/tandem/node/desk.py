"""What people at a desk may ask of live calls, by the control socket (docs/concepts/control.md). Answers are plain data."""

from collections.abc import Callable
from typing import Any

from tandem.calls.batch import Live
from tandem.calls.model import originate
from tandem.calls.model.admission import WHY
from tandem.calls.model.call import ENDED, GONE, Call, Leg
from tandem.calls.model.events import HangUp, Move, Record
from tandem.calls.model.ways import PAUSED, RECORDED, STOPPED
from tandem.calls.service import Service
from tandem.node.directory import Directory
from tandem.routing.model.plan import Plan, Refusal

LIST_MOST = 1_000
WANTED = {"start": RECORDED, "pause": PAUSED, "stop": STOPPED}


class NoSuch(Exception):
    """status, title, detail, field: what the control socket says."""

    def __init__(self, status: int, title: str, detail: str = "", field: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.field = status, title, detail, field


class Desk:
    """Handlers for `calls.*`; `fresh` gives random bits for a new call's id."""

    def __init__(self, *, service: Service, directory: Directory, fresh: Callable[[], int]) -> None:
        self.service, self.directory, self.fresh = service, directory, fresh

    def list(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Live calls by id, those after `after`."""
        tenant, user = str(asked.get("tenant") or ""), str(asked.get("user") or "")
        after, most = str(asked.get("after") or ""), min(int(asked.get("limit") or 100), LIST_MOST)
        found: list[dict[str, Any]] = []
        for key in sorted(self.service.shell.active):
            if key <= after or len(found) >= most:
                continue
            live = self.service.shell.find(key)
            if live is None or live.call is None or live.call.state == ENDED:
                continue
            call = live.call
            if tenant not in ("", call.tenant):
                continue
            if (
                not user
                or user == call.caller.identity
                or any(leg.aor == user for leg in call.legs)
            ):
                found.append(summary(call))
        return found

    def show(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self.of(asked)
        call = live.call
        assert call is not None
        return {
            **summary(call),
            "version": live.version,
            "takeovers": call.takeovers,
            "tried": list(call.tried),
            "give_up_at": call.give_up_at,
            "end_at": call.end_at,
            "transactions": [
                {"role": "server", "method": s.method, "status": s.status, "leg": s.leg, "open": not s.ended_at} for s in call.servers
            ] + [
                {"role": "client", "method": c.method, "leg": c.leg, "why": c.why, "open": not c.ended_at} for c in call.clients
            ],
            "outbox": [effect.do for effect in live.outbox] if not live.done else [],
        }  # fmt: skip

    def media(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Whether its media pass a relay, and which of several."""
        call = self.of(asked).call
        media = call.media if call is not None else None
        return {
            "relayed": media is not None and media.known,
            "relay": media.relay if media is not None else "",
        }

    def hangup(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self.of(asked)
        assert live.call is not None
        self.service.order(live.call.id, HangUp(str(asked.get("by") or "the console")))
        return {}

    def record(self, asked: dict[str, Any]) -> dict[str, Any]:
        """action: start, pause or stop."""
        call = self.of(asked).call
        assert call is not None
        wanted = WANTED.get(str(asked.get("action")))
        if wanted is None:
            raise NoSuch(400, "no such order", f"action is {', '.join(WANTED)}", "action")
        if call.media is None or not call.media.ways:
            raise NoSuch(
                409,
                "cannot be recorded",
                "its media does not pass the relay: set media=relay",
                "id",
            )
        self.service.order(call.id, Record(str(asked.get("by") or "the console"), wanted))
        return {}

    def transfer(self, asked: dict[str, Any]) -> dict[str, Any]:
        call = self.of(asked).call
        assert call is not None
        leg = str(asked.get("leg") or "caller")
        if leg not in ("caller", "callee"):
            raise NoSuch(400, "not a side of a call", 'leg is "caller" or "callee"', "leg")
        moved = next(
            (one for one in call.legs if one.name == call.bridge[0 if leg == "caller" else 1]), None
        )
        if moved is None:
            raise NoSuch(
                409, "the call is not answered", "only a call that talks can be transferred", "id"
            )
        plan, contacts = self.directory.reach(
            moved.aor or call.caller.identity, uri(str(asked.get("to") or ""), call.callee)
        )
        if isinstance(plan, Refusal):
            raise NoSuch(422, "cannot be reached", plan.why, "to")
        self.service.order(
            call.id,
            Move(str(asked.get("by") or "the console"), leg, str(asked["to"]), plan, contacts),
        )
        return {}

    def originate(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Rings `from` first, then connects it with `to`."""
        who, to = str(asked.get("from") or ""), str(asked.get("to") or "")
        contacts = self.directory.contacts(who)
        if not contacts:
            raise NoSuch(
                409, "not registered", f"{who or 'nobody'} has no phone registered", "from"
            )
        plan, there = self.directory.reach(who, uri(to, who))
        if not isinstance(plan, Plan):
            raise NoSuch(422, "cannot be reached", plan.why, "to")
        admission = self.service.shell.admission
        if why := admission.refuses(plan, len(self.service.shell.active)):
            raise NoSuch(503, "no new calls now", WHY[why])
        key = originate.call_id(self.fresh())
        self.service.shell.live[key] = Live(None, 0)
        hosts = [contact.flow.host for contact in contacts]
        relay = self.service.shell.choose(hosts) if plan.media else ""
        self.service.order(
            key, originate.Originated(self.service.now(), key, who, contacts, plan, there, relay)
        )
        return {"id": key}

    def of(self, asked: dict[str, Any]) -> Live:
        key = str(asked.get("id") or "")
        live = self.service.shell.find(key)
        if live is None or live.call is None or live.call.state == ENDED:
            raise NoSuch(
                404, "no such call", f"{key or 'the empty id'} is no live call on this node", "id"
            )
        return live


def uri(to: str, like: str) -> str:
    """What somebody typed, as a SIP URI in the domain of `like`."""
    if not to:
        raise NoSuch(400, "nowhere to call", "to is empty", "to")
    if to.startswith(("sip:", "sips:", "tel:")):
        return to
    return f"sip:{to}" if "@" in to else f"sip:{to}@{like.partition('@')[2]}"


def summary(call: Call) -> dict[str, Any]:
    return {
        "id": call.id, "tenant": call.tenant, "caller": call.caller.identity, "callee": call.callee, "state": call.state,
        "invited_at": call.invited_at, "answered_at": call.answered_at,
        "legs": [described(leg) for leg in call.legs if leg.state != GONE],
    }  # fmt: skip


def described(leg: Leg) -> dict[str, Any]:
    return {
        "name": leg.name, "peer": leg.peer, "state": leg.state, "who": leg.aor or leg.trunk, "call_id": leg.call_id,
        "remote": f"{leg.flow.host}:{leg.flow.port}", "held": leg.held, "local_tag": leg.local_tag, "remote_tag": leg.remote_tag,
    }  # fmt: skip
