"""Counters of node and edges as Prometheus text. Pure but for this process's own figures."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
EDGE_GAUGES = frozenset(("connections", "kept_bytes", "kept_frames", "policy_version"))
NODE_GAUGES = frozenset(
    ("server_transactions", "client_transactions", "events_waiting", "frames_in_hand", "registrations", "registrar_bytes",
     "users", "edges_up", "bytes_unsent")
)  # fmt: skip
# received_udp is one series of tandem_sip_received_total; refused_rate one of tandem_sip_refused_total
BY_TRANSPORT = frozenset(("received", "sent", "dropped"))
BY_REASON = frozenset(("refused", "closed"))
RELAY_GAUGES = {
    "up": "Whether a media relay answers.",
    "draining": "Whether it gets no new calls.",
    "calls": "Calls of this node whose media pass it.",
    "sessions": "Calls that it has, of all who ask it.",
    "milliseconds": "Its last round trip.",
    "kernel": "Streams that pass it in the kernel.",
    "userspace": "Streams that pass its process.",
    "packets": "Packets that have come in streams that run now.",
    "lost": "Packets that were due in them and have not come.",
}
HELP = {
    "received": "SIP messages received, by edge and transport.",
    "sent": "SIP messages sent or queued, by edge and transport.",
    "refused": "Messages that an edge refused, by reason.",
    "closed": "Connections that ended, by reason.",
    "calls": "Calls that have not ended.",
    "registrations": "Addresses of record with a phone.",
    "rows": "Rows in the store.",
    "relay_moves": "Calls told to pass by another media relay, since the node's start.",
}


def render(ping: Mapping[str, Any] | None, stats: Mapping[str, Any] | None) -> bytes:
    """ping and stats as the control socket gives them; None: the node does not answer."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(namespace="tandem_web", registry=registry)
    PlatformCollector(registry=registry)
    registry.register(Stats(ping, stats))
    return generate_latest(registry)


class Stats(Collector):
    """One moment of node and edges."""

    def __init__(self, ping: Mapping[str, Any] | None, stats: Mapping[str, Any] | None) -> None:
        self.ping, self.stats = ping, stats

    def collect(self) -> Iterator[Metric]:
        ping, stats = self.ping or {}, self.stats or {}
        up = self.ping is not None
        yield GaugeMetricFamily("tandem_node_up", "Whether the call node answers.", float(up))
        ready = float(bool(ping.get("ready")))
        yield GaugeMetricFamily("tandem_node_ready", "Whether it can take calls.", ready)
        if "epoch" in ping:
            yield GaugeMetricFamily("tandem_node_epoch", "Owner epoch.", float(ping["epoch"]))
        yield from edge_families(stats.get("edges", {}))
        for name, value in sorted(numbers(stats.get("node", {})).items()):
            family = GaugeMetricFamily if name in NODE_GAUGES else CounterMetricFamily
            yield family(f"tandem_node_{name}", help_of(name, "Node"), value)
        for name, value in sorted(numbers(stats.get("gauges", {})).items()):
            yield GaugeMetricFamily(f"tandem_{name}", help_of(name, "Node"), value)
        for name, value in sorted(numbers(stats.get("journal", {})).items()):
            yield GaugeMetricFamily(f"tandem_journal_{name}", help_of(name, "Journal"), value)
        yield from media_families(stats.get("media", {}), stats.get("relays", []))


def edge_families(edges: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """One family per name, with a series per edge, and per transport or reason where the name ends in one."""
    series: dict[tuple[str, str], list[tuple[list[str], float]]] = defaultdict(list)
    for edge, counters in sorted(edges.items()):
        for counter, value in sorted(numbers(counters).items()):
            name, label, text = split(counter)
            series[name, label].append(([str(edge), text] if label else [str(edge)], value))
    for (name, label), values in sorted(series.items()):
        labels = ["edge", label] if label else ["edge"]
        family: CounterMetricFamily | GaugeMetricFamily = (
            GaugeMetricFamily(f"tandem_edge_{name}", help_of(name, "Edge"), labels=labels)
            if name in EDGE_GAUGES
            else CounterMetricFamily(f"tandem_sip_{name}", help_of(name, "Edge"), labels=labels)
        )
        for texts, value in values:
            family.add_metric(texts, value)
        yield family


def media_families(
    media: Mapping[str, Any], relays: Iterable[Mapping[str, Any]]
) -> Iterator[Metric]:
    """What relays measured of calls that have ended, and the relays themselves."""
    for name, value in sorted(numbers(media).items()):
        yield CounterMetricFamily(
            f"tandem_media_{name}", f"RTP packets of ended calls: {name}.", value
        )
    for name, told in sorted(media.items()):
        if not isinstance(told, Mapping):
            continue
        counts, total = list(told["counts"]), 0.0
        buckets: list[tuple[str, float]] = []
        for end, count in zip([*map(str, told["ends"]), "+Inf"], counts, strict=True):
            total += count
            buckets.append((end, total))
        family = HistogramMetricFamily(
            f"tandem_media_{name}", f"Streams from phones, ended calls: {name.replace('_', ' ')}."
        )
        family.add_metric([], buckets, told["sum"])
        yield family
    for key, text in RELAY_GAUGES.items():
        gauge = GaugeMetricFamily(f"tandem_relay_{key}", text, labels=["relay", "region"])
        for row in relays:
            found = relay_gauge(row, key)
            if found is not None:
                gauge.add_metric([str(row["name"]), str(row["region"])], float(found))
        yield gauge


def relay_gauge(row: Mapping[str, Any], key: str) -> float | None:
    """None: not known; one that is not configured any more has only calls."""
    state, known = row["state"], "milliseconds" in row
    match key:
        case "up":
            return float(state in ("up", "draining")) if known else None
        case "draining":
            return float(state == "draining") if known else None
    return row.get(key)


def split(counter: str) -> tuple[str, str, str]:
    """Name, label and label value: received_udp is ("received", "transport", "udp")."""
    head, _, rest = counter.partition("_")
    if head in BY_TRANSPORT and rest in TRANSPORTS:
        return head, "transport", rest
    if head in BY_REASON and rest:
        return head, "reason", rest
    return counter, "", ""


def numbers(counters: Any) -> dict[str, float]:
    """Only what is a number, by a name that Prometheus takes."""
    if not isinstance(counters, Mapping):
        return {}
    return {
        "".join(c if c.isascii() and c.isalnum() else "_" for c in str(name)): float(value)
        for name, value in counters.items()
        if isinstance(value, int | float)
    }


def help_of(name: str, whose: str) -> str:
    return HELP.get(name, f"{whose}: {name.replace('_', ' ')}.")
