"""What workers show of themselves, and all of them as one. Unknown fields are passed over: workers may be newer. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from tandem.edge.model.times import Times, added

TAKING = ("up", "trial")  # states of a server that gets calls
PROXY = "proxy_"  # begins the names of a front's counters
CLASSES = ("2xx", "3xx", "4xx", "5xx", "6xx")


class ResourceView(Struct, frozen=True):
    """What is used of a resource by all edges, and the capacity; None: no limit."""

    used: int = 0
    capacity: int | None = None


class MemberView(Struct, frozen=True):
    """One server as an edge sees it (crates/tandem-sip/src/pool/view.rs)."""

    name: str
    address: str = ""
    transport: str = "udp"
    state: str = (
        "up"  # up, down, grey (its calls failed), busy (its own 503), trial, draining, off, gone
    )
    tried: bool = True  # whether a new call may go to it, capacity aside
    grey_ms: int = 0
    weight: int = 0
    priority: int = 0
    calls: int = 0
    resources: dict[str, ResourceView] = {}
    answer_ms: float | None = None
    replies: tuple[int, ...] = (0, 0, 0, 0, 0)  # final ones, 2xx to 6xx
    no_answer: int = 0
    transport_errors: int = 0
    probes_good: int = 0
    probes_failed: int = 0
    last_change: str = ""
    why: str = ""
    since_ms: int = 0


class PoolView(Struct, frozen=True):
    """One pool."""

    name: str
    panic: bool = False
    members: tuple[MemberView, ...] = ()
    times: dict[str, Times] = {}  # histograms by what they measure

    @property
    def up(self) -> int:
        return sum(member.state in TAKING for member in self.members)


class FrontView(Struct, frozen=True):
    """The proxy before foreign servers."""

    pools: tuple[PoolView, ...] = ()
    calls: int = 0
    counters: dict[str, int | tuple[int, ...]] = {}  # tuples are by class, 2xx to 6xx
    times: dict[str, dict[str, Times]] = {}  # by pool, then by what they measure


class WorkerView(Struct, frozen=True):
    """One worker's answer to `view`."""

    edge: int
    pid: int = 0
    incarnation: int = 0  # microseconds since 1970 of its start
    at: int = 0
    draining: bool = False
    link: bool | None = None  # to a call node; None: there is to be none
    listen: tuple[dict[str, Any], ...] = ()
    connections: dict[str, int] = {}
    counters: dict[str, int] = {}
    front: FrontView | None = None


class EdgeView(Struct, frozen=True):
    """All workers as one; `missing` are those that do not answer, with the reason."""

    at: int = 0
    workers: tuple[WorkerView, ...] = ()
    missing: dict[str, str] = {}
    draining: bool = False
    connections: dict[str, int] = {}
    counters: dict[str, int] = {}
    pools: tuple[PoolView, ...] = ()
    calls: int = 0
    bans: tuple[dict[str, Any], ...] = ()  # some of those that are banned: source, why, seconds
    banned: int = 0  # all of them, at the worker that knows most
    changed: dict[str, Any] = field(default_factory=dict)  # the live changes
    problems: tuple[str, ...] = ()  # what could not be used


def worker_view(told: Any) -> WorkerView:
    """A worker's answer as it stood on the line. Raises msgspec.ValidationError."""
    view = msgspec.convert(told, WorkerView, strict=False)
    if view.front is None:
        return view
    view = replace(view, counters={**view.counters, **_flat(view.front.counters)})
    assert view.front is not None
    pools = tuple(
        replace(pool, times=view.front.times.get(pool.name, pool.times))
        for pool in view.front.pools
    )
    return replace(view, front=replace(view.front, pools=pools))


def _flat(counters: Mapping[str, int | tuple[int, ...]]) -> dict[str, int]:
    flat: dict[str, int] = {}
    for name, value in counters.items():
        if isinstance(value, int):
            flat[PROXY + name] = value
        else:
            flat |= {f"{PROXY}{name}_{c}": n for c, n in zip(CLASSES, value, strict=False)}
    return flat


def joined(at: int, workers: Sequence[WorkerView], missing: Mapping[str, str]) -> EdgeView:
    fronts = [worker.front for worker in workers if worker.front is not None]
    return EdgeView(
        at=at,
        workers=tuple(workers),
        missing=dict(missing),
        draining=any(worker.draining for worker in workers),
        connections=summed(worker.connections for worker in workers),
        counters=summed(worker.counters for worker in workers),
        pools=_pools(fronts),
        calls=sum(front.calls for front in fronts),
    )


def summed(all: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for one in all:
        for name, count in one.items():
            total[name] += count
    return dict(total)


def _pools(fronts: Sequence[FrontView]) -> tuple[PoolView, ...]:
    by_name: dict[str, list[PoolView]] = {}
    for front in fronts:
        for pool in front.pools:
            by_name.setdefault(pool.name, []).append(pool)
    return tuple(
        PoolView(
            name=name,
            panic=any(pool.panic for pool in pools),
            members=_members(pools),
            times={
                what: added(pool.times[what] for pool in pools if what in pool.times)
                for what in sorted({key for pool in pools for key in pool.times})
            },
        )
        for name, pools in by_name.items()
    )


def _members(pools: Sequence[PoolView]) -> tuple[MemberView, ...]:
    by_name: dict[str, list[MemberView]] = {}
    for pool in pools:
        for member in pool.members:
            by_name.setdefault(member.name, []).append(member)
    return tuple(_member(same) for same in by_name.values())


def _member(same: Sequence[MemberView]) -> MemberView:
    """Sums of what is counted; the state that most of them see, and how it came to be there."""
    state = Counter(one.state for one in same).most_common(1)[0][0]
    seen = next(one for one in same if one.state == state)
    answers = [one.answer_ms for one in same if one.answer_ms is not None]
    return replace(
        seen,
        calls=sum(one.calls for one in same),
        resources=_resources(same),
        answer_ms=sum(answers) / len(answers) if answers else None,
        replies=tuple(map(sum, zip(*(one.replies for one in same), strict=True))),
        no_answer=sum(one.no_answer for one in same),
        transport_errors=sum(one.transport_errors for one in same),
        probes_good=sum(one.probes_good for one in same),
        probes_failed=sum(one.probes_failed for one in same),
    )


def _resources(same: Sequence[MemberView]) -> dict[str, ResourceView]:
    """Each worker counts those of the others too; who counts most has heard most."""
    names = dict.fromkeys(name for one in same for name in one.resources)
    return {
        name: max((one.resources[name] for one in same if name in one.resources), key=_used)
        for name in names
    }


def _used(resource: ResourceView) -> int:
    return resource.used
