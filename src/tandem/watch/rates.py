"""Two looks at an edge, as rates and percentiles: what `tandem top` shows, and gives as JSON. Text and figures; it waits for nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from tandem.edge.model.times import Times, percentiles_us, since
from tandem.edge.model.view import CLASSES, EdgeView, MemberView, PoolView, ResourceView, WorkerView

PARTS = (0.5, 0.95, 0.99)
SECURE = ("udp", "tcp", "tls", "ws", "wss")
ANSWER = "answer"  # the histogram that is shown of a pool


class Moment(Struct, frozen=True):
    """One look. `at` is monotonic, in seconds; `cpu` is seconds used by each process; `gauges` are a call node's."""

    at: float
    view: EdgeView
    name: str = ""
    ready: bool = True
    reasons: tuple[str, ...] = ()
    cpu: dict[int, float] = {}
    gauges: dict[str, float] = {}


class MemberRow(Struct, frozen=True):
    """A server, now."""

    name: str
    address: str
    state: str
    weight: int
    priority: int
    calls: int
    capacity: int | None  # of calls, or of what it takes first
    used: int
    replies: float  # final ones a second
    failed: float  # 5xx, 6xx, no answer, not sent: a second
    classes: dict[str, int]  # since the start
    lost: int  # no answer, or not sent, since the start
    answer_ms: float | None
    note: str


class PoolRow(Struct, frozen=True):
    """A pool, now; percentiles in milliseconds of the last while."""

    name: str
    up: int
    total: int
    panic: bool
    calls: int
    replies: float
    p50: float | None
    p95: float | None
    p99: float | None
    members: tuple[MemberRow, ...]


class WorkerRow(Struct, frozen=True):
    """A worker, now. why: the reason why it does not answer."""

    edge: int
    pid: int = 0
    up_seconds: float = 0.0
    received: float = 0.0
    sent: float = 0.0
    cpu: float | None = None  # of one core, 0 to 1
    connections: int = 0
    link: bool | None = None
    why: str = ""


class Shown(Struct, frozen=True):
    """Everything on the screen. Rates are per second."""

    name: str
    ready: bool
    reasons: tuple[str, ...]
    draining: bool
    up_seconds: float
    calls: int
    received: float
    sent: float
    pools: tuple[PoolRow, ...]
    workers: tuple[WorkerRow, ...]
    transports: dict[str, tuple[float, float, int]]  # in, out, connections
    replies: dict[str, float]  # by class
    refused: dict[str, tuple[float, int]]  # by reason: rate, since the start
    dropped: dict[str, tuple[float, int]]  # what else went wrong
    banned: int
    bans: tuple[str, ...]
    gauges: dict[str, float]
    problems: tuple[str, ...]
    changed: bool  # live changes stand over the file


TROUBLES = (
    "malformed",
    "banned",
    "failed",
    "dropped_udp",
    "connections_refused",
    "panics",
    "paused",
)


def shown(before: Moment, now: Moment, while_ago: Moment) -> Shown:
    """Rates since `before`, percentiles since `while_ago`."""
    seconds = max(now.at - before.at, 0.001)
    view, old = now.view, before.view
    rate = _rates(old.counters, view.counters, seconds)
    pools = tuple(_pool(pool, old, while_ago.view, seconds) for pool in view.pools)
    reasons = {n: c for n, c in view.counters.items() if n.startswith("refused_") and c}
    return Shown(
        name=now.name,
        ready=now.ready,
        reasons=now.reasons,
        draining=view.draining,
        up_seconds=max((_up(worker, view.at) for worker in view.workers), default=0.0),
        calls=int(now.gauges.get("calls", view.calls)),
        received=sum(rate.get(f"received_{t}", 0.0) for t in SECURE),
        sent=sum(rate.get(f"sent_{t}", 0.0) for t in SECURE),
        pools=pools,
        workers=_workers(before, now, seconds),
        transports=_transports(view, rate),
        replies=_replies(old, view, seconds),
        refused={n.removeprefix("refused_"): (rate.get(n, 0.0), c) for n, c in reasons.items()},
        dropped={n: (rate.get(n, 0.0), view.counters[n]) for n in TROUBLES if view.counters.get(n)},
        banned=view.banned or len(view.bans),
        bans=tuple(str(ban.get("source")) for ban in view.bans),
        gauges=now.gauges,
        problems=view.problems,
        changed=bool(view.changed),
    )


def _rates(old: Mapping[str, int], new: Mapping[str, int], seconds: float) -> dict[str, float]:
    """A counter that fell began anew with its worker: all of it is new."""
    found = {}
    for name, value in new.items():
        was = old.get(name, 0)
        found[name] = (value - was if value >= was else value) / seconds
    return found


def _up(worker: WorkerView, at: int) -> float:
    return max(0.0, (at - worker.incarnation) / 1e6) if worker.incarnation else 0.0


def _transports(view: EdgeView, rate: Mapping[str, float]) -> dict[str, tuple[float, float, int]]:
    known = [
        t for t in SECURE
        if view.counters.get(f"received_{t}") or view.counters.get(f"sent_{t}") or view.connections.get(t)
    ]  # fmt: skip
    return {
        t: (rate.get(f"received_{t}", 0.0), rate.get(f"sent_{t}", 0.0), view.connections.get(t, 0))
        for t in known
    }


def _workers(before: Moment, now: Moment, seconds: float) -> tuple[WorkerRow, ...]:
    old = {worker.edge: worker for worker in before.view.workers}
    rows = []
    for worker in now.view.workers:
        was = old.get(worker.edge)
        same = was is not None and was.incarnation == worker.incarnation
        rate = _rates(was.counters if was and same else {}, worker.counters, seconds)
        used = now.cpu.get(worker.pid)
        then = before.cpu.get(worker.pid)
        rows.append(
            WorkerRow(
                edge=worker.edge,
                pid=worker.pid,
                up_seconds=_up(worker, now.view.at),
                received=sum(rate.get(f"received_{t}", 0.0) for t in SECURE) if same else 0.0,
                sent=sum(rate.get(f"sent_{t}", 0.0) for t in SECURE) if same else 0.0,
                cpu=(used - then) / seconds if used is not None and then is not None else None,
                connections=sum(worker.connections.values()),
                link=worker.link,
            )
        )
    rows += [WorkerRow(edge=int(edge), why=why) for edge, why in now.view.missing.items()]
    return tuple(sorted(rows, key=lambda row: row.edge))


def _pool(pool: PoolView, old: EdgeView, while_ago: EdgeView, seconds: float) -> PoolRow:
    was = {m.name: m for p in old.pools if p.name == pool.name for m in p.members}
    members = tuple(_member(one, was.get(one.name), seconds) for one in pool.members)
    before = next((p.times.get(ANSWER) for p in while_ago.pools if p.name == pool.name), None)
    times = pool.times.get(ANSWER, Times())
    parts = percentiles_us(since(before, times) if before else times, PARTS)
    p50, p95, p99 = (None if us is None else us / 1e3 for us in parts)
    return PoolRow(
        name=pool.name,
        up=pool.up,
        total=len(pool.members),
        panic=pool.panic,
        calls=sum(one.calls for one in members),
        replies=sum(one.replies for one in members),
        p50=p50,
        p95=p95,
        p99=p99,
        members=members,
    )


def _member(now: MemberView, was: MemberView | None, seconds: float) -> MemberRow:
    old = was or now
    counted = [max(0, n - o) for n, o in zip(now.replies, old.replies, strict=False)]
    lost, lost_then = (one.no_answer + one.transport_errors for one in (now, old))
    resource = next(iter(now.resources.values()), ResourceView(now.calls))
    return MemberRow(
        name=now.name,
        address=f"{now.transport}:{now.address}",
        state=now.state,
        weight=now.weight,
        priority=now.priority,
        calls=now.calls,
        capacity=resource.capacity,
        used=resource.used,
        replies=sum(counted) / seconds,
        failed=(sum(counted[3:]) + max(0, lost - lost_then)) / seconds,
        classes=dict(zip(CLASSES, now.replies, strict=False)),
        lost=lost,
        answer_ms=now.answer_ms,
        note=_note(now),
    )


def _note(member: MemberView) -> str:
    why = member.why or member.last_change
    if member.state in ("grey", "busy") and member.grey_ms:
        return f"{why}, {member.grey_ms / 1e3:.0f} s more"
    return "" if member.state == "up" else why


def _replies(old: EdgeView, view: EdgeView, seconds: float) -> dict[str, float]:
    now, then = _classes(view), _classes(old)
    counted = {name: (now[name] - then.get(name, 0)) / seconds for name in now}
    return {name: max(0.0, value) for name, value in counted.items()} if any(now.values()) else {}


def _classes(view: EdgeView) -> dict[str, int]:
    members: Sequence[MemberView] = [one for pool in view.pools for one in pool.members]
    return {
        name: sum(one.replies[n] for one in members if n < len(one.replies))
        for n, name in enumerate(CLASSES)
    }


def plain(row: Shown) -> dict[str, Any]:
    """For programs."""
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(row)
    return told
