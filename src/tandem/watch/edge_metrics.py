"""A view of a standalone edge as Prometheus text. Pure but for this process's own figures."""

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tandem.edge.model.times import DOUBLINGS, Times, ends_us
from tandem.edge.model.view import CLASSES, PROXY, TAKING, EdgeView, MemberView, WorkerView
from tandem.watch.metrics import edge_families

LABELS = ("pool", "member")
LABELLED: dict[str, tuple[str, str]] = {
    "member_up": ("gauge", "Whether a server takes calls."),
    "member_calls": ("gauge", "Calls in hand."),
    "member_weight": ("gauge", "Share of a server among those of its priority."),
    "member_answer_seconds": ("gauge", "Time to the first response, moving average."),
    "member_no_answer": ("counter", "Requests without an answer."),
    "member_transport_errors": ("counter", "Requests that could not be sent."),
    "member_probes_good": ("counter", "Probes that were answered well."),
    "member_probes_failed": ("counter", "Probes that failed."),
}


def render(view: EdgeView) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(namespace="tandem_admin", registry=registry)
    PlatformCollector(registry=registry)
    registry.register(Seen(view))
    return generate_latest(registry)


class Seen(Collector):
    """One moment of an edge."""

    def __init__(self, view: EdgeView) -> None:
        self.view = view

    def collect(self) -> Iterator[Metric]:
        view = self.view
        workers = GaugeMetricFamily("tandem_edge_up", "Whether a worker answers.", labels=["edge"])
        started = GaugeMetricFamily(
            "tandem_edge_started_seconds", "When a worker began, since 1970.", labels=["edge"]
        )
        for worker in view.workers:
            workers.add_metric([str(worker.edge)], 1)
            started.add_metric([str(worker.edge)], worker.incarnation / 1e6)
        for edge in view.missing:
            workers.add_metric([edge], 0)
        yield workers
        yield started
        yield GaugeMetricFamily("tandem_edge_draining", "Whether new calls are refused.", float(view.draining))  # fmt: skip
        yield GaugeMetricFamily("tandem_edge_problems", "Configuration that could not be used.", float(len(view.problems)))  # fmt: skip
        yield GaugeMetricFamily("tandem_edge_banned_now", "Sources that are not heard.", float(view.banned))  # fmt: skip
        connections = GaugeMetricFamily(
            "tandem_edge_connections",
            "Connections, by edge and transport.",
            labels=["edge", "transport"],
        )
        for worker in view.workers:
            for transport, count in sorted(worker.connections.items()):
                connections.add_metric([str(worker.edge), transport], count)
        yield connections
        yield from edge_families({str(w.edge): _own(w) for w in view.workers})
        yield from self._proxy()
        yield from self._pools()
        yield from self._members()
        yield from self._times()

    def _proxy(self) -> Iterator[Metric]:
        """Counters of the fronts; those by class of reply have it as a label."""
        names = {n for worker in self.view.workers for n in worker.counters if n.startswith(PROXY)}
        families: dict[str, CounterMetricFamily] = {}
        for name in sorted(names):
            base, _, last = name.rpartition("_")
            labelled = last in CLASSES
            key = base if labelled else name
            labels = ["edge", "class"] if labelled else ["edge"]
            help = f"Proxy: {key.removeprefix(PROXY).replace('_', ' ')}."
            family = families.setdefault(
                key, CounterMetricFamily(f"tandem_{key}", help, labels=labels)
            )
            for worker in self.view.workers:
                texts = [str(worker.edge), last] if labelled else [str(worker.edge)]
                family.add_metric(texts, worker.counters.get(name, 0))
        yield from families.values()

    def _pools(self) -> Iterator[Metric]:
        members = GaugeMetricFamily("tandem_pool_members", "Servers of a pool.", labels=["pool"])
        up = GaugeMetricFamily("tandem_pool_members_up", "Those that take calls.", labels=["pool"])
        panic = GaugeMetricFamily(
            "tandem_pool_panic", "So many would be down that all are tried.", labels=["pool"]
        )
        for pool in self.view.pools:
            members.add_metric([pool.name], len(pool.members))
            up.add_metric([pool.name], pool.up)
            panic.add_metric([pool.name], float(pool.panic))
        yield from (members, up, panic)

    def _members(self) -> Iterator[Metric]:
        each = [(pool.name, member) for pool in self.view.pools for member in pool.members]
        for name, (kind, help) in LABELLED.items():
            family: CounterMetricFamily | GaugeMetricFamily = (
                CounterMetricFamily(f"tandem_{name}", help, labels=LABELS)
                if kind == "counter"
                else GaugeMetricFamily(f"tandem_{name}", help, labels=LABELS)
            )
            for pool, member in each:
                value = _values(member)[name]
                if value is not None:
                    family.add_metric([pool, member.name], value)
            yield family
        replies = CounterMetricFamily(
            "tandem_member_replies", "Final replies, by class.", labels=[*LABELS, "class"]
        )
        for pool, member in each:
            for name, count in zip(CLASSES, member.replies, strict=False):
                replies.add_metric([pool, member.name, name], count)
        yield replies

    def _times(self) -> Iterator[Metric]:
        for what in sorted({what for pool in self.view.pools for what in pool.times}):
            family = HistogramMetricFamily(
                f"tandem_pool_{what}_seconds", f"Time to {what.replace('_', ' ')}.", labels=["pool"]
            )
            for pool in self.view.pools:
                if what in pool.times:
                    times = pool.times[what]
                    family.add_metric([pool.name], list(buckets(times)), times.sum_us / 1e6)
            yield family


def _own(worker: WorkerView) -> dict[str, int]:
    return {name: n for name, n in worker.counters.items() if not name.startswith(PROXY)}


def buckets(times: Times) -> Iterator[tuple[str, float]]:
    """Cumulative, one to a doubling."""
    counts = times.counts + (0,) * (DOUBLINGS * 4 + 1 - len(times.counts))
    seen = 0
    for doubling in range(DOUBLINGS):
        seen += sum(counts[doubling * 4 : doubling * 4 + 4])
        yield f"{ends_us(doubling * 4 + 3) / 1e6:g}", seen
    yield "+Inf", sum(counts)


def _values(member: MemberView) -> dict[str, float | None]:
    return {
        "member_up": float(member.state in TAKING),
        "member_calls": member.calls,
        "member_weight": member.weight,
        "member_answer_seconds": None if member.answer_ms is None else member.answer_ms / 1e3,
        "member_no_answer": member.no_answer,
        "member_transport_errors": member.transport_errors,
        "member_probes_good": member.probes_good,
        "member_probes_failed": member.probes_failed,
    }
