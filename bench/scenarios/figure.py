"""What a scenario returns: figures, with the targets that they are held against. Values only."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct


class Target(Struct, frozen=True):
    """At most `must` (at least, where `least` says so); `stretch` is what the best reach."""

    unit: str
    must: float
    stretch: float
    what: str
    bench: str = "sip"
    least: bool = False

    def reaches(self, value: float, wanted: float) -> bool:
        return value >= wanted if self.least else value <= wanted


TARGETS: dict[str, Target] = {
    "index_ns": Target("ns", 400, 200, "index an INVITE with SDP and read its fields"),
    "register_new_ratio": Target("x", 1.5, 1.0, "CPU per first registration, to Kamailio"),
    "register_refresh_ratio": Target("x", 1.0, 0.6, "CPU per refresh, to Kamailio"),
    "b2bua_us": Target("us", 600, 300, "CPU per B2BUA call, saturated"),
    "b2bua_sippy_ratio": Target("x", 0.3, 0.15, "the same, to sippy"),
    "call_kib": Target("KiB", 10, 5, "memory per talking call"),
    "registration_b": Target("B", 1200, 600, "memory per registration"),
    "growth_ratio": Target("x", 1.2, 1.05, "CPU per call at 10,000 held, to at 100"),
    "restart_lost": Target("calls", 0, 0, "call node killed: calls lost, or told differently"),
    "restart_cdr_wrong": Target("CDRs", 0, 0, "call node killed: CDRs missing or double"),
    "restart_cdr_error_s": Target("s", 1, 0.1, "call node killed: worst CDR error"),
    "edge_restart_lost": Target("calls", 0, 0, "edge killed: calls lost beyond promise 1"),
    "link_lost": Target("messages", 0, 0, "call node killed: messages over streams without effect"),
    "ready_ms": Target("ms", 800, 300, "call node killed to its successor's first reply"),
    "edge_restart_ms": Target("ms", 300, 100, "edge killed to its successor's first reply"),
    "torture_failed": Target("", 0, 0, "RFC 4475 messages treated wrongly"),
    "fuzz_findings": Target("", 0, 0, "findings of the parser fuzzers"),
    "svwar_found": Target("users", 0, 0, "users that svwar names"),
    "flood_setup_ratio": Target("x", 2, 1.2, "set-up p99 of others during a flood, to without"),
    "edge_forward_ratio": Target("x", 0.65, 0.52, "pool: CPU per OPTIONS, to Kamailio stateless"),
    "edge_call_ratio": Target("x", 0.65, 0.5, "pool: CPU per call, to Kamailio t_relay"),
    "edge_call_stateless_ratio": Target("x", 0.9, 0.7, "the same, to Kamailio stateless"),
    "edge_latency_ratio": Target(
        "x", 1.0, 0.7, "pool: added delay p99 at 3,000 calls/s, to Kamailio"
    ),
    "edge_tls_calls_us": Target("us", 1e6, 1e6, "pool: CPU per call over TLS (only reported)"),
    "edge_conn_kib": Target("KiB", 40, 20, "memory per idle TLS connection"),
    "edge_ready_ms": Target("ms", 300, 100, "edge: exec to the first message forwarded"),
    "edge_kill_lost": Target(
        "calls", 0, 0, "one of two edges killed: calls lost beyond those inside"
    ),
    "bad_members_hit": Target("calls", 3, 0, "a member dies: calls that failed after the first 3"),
    "relay_ratio": Target("x", 0.75, 0.6, "CPU per plain packet, to rtpengine", "rtp"),
    "kernel_relay_ratio": Target(
        "x", 0.3, 0.2, "core's busy time per packet by the kernel path, to rtpengine", "rtp"
    ),
    "relay_latency_ratio": Target(
        "x", 0.5, 0.2, "added delay p99 at 1,000 calls, to rtpengine", "rtp"
    ),
    "srtp_ratio": Target("x", 0.65, 0.5, "CPU per packet, SRTP on one leg, to rtpengine", "rtp"),
    "relay_calls_ratio": Target(
        "x", 1.4, 1.8, "calls on a core, p99 within 2 ms, to rtpengine", "rtp", least=True
    ),
    "relay_kib": Target("KiB", 24, 12, "memory per relayed call", "rtp"),
    "restart_gap_ms": Target("ms", 200, 100, "relay killed: audio gap, p99", "rtp"),
    "restart_dead": Target("calls", 0, 0, "relay killed: calls without audio after", "rtp"),
    "restart_gap_1000_ratio": Target(
        "x", 0.6, 0.3, "the same with 1,000 calls, to rtpengine and Redis", "rtp"
    ),
    "wrap_dead": Target("calls", 0, 0, "the same for calls past a wrap of the sequence", "rtp"),
    "reinvite_gap_ms": Target("ms", 2_000, 1_000, "relay gone for good: audio gap, p99", "rtp"),
    "transcode_calls": Target(
        "calls", 150, 300, "Opus <-> G.711, both directions, on a core", "rtp", least=True
    ),
    "mix_core_percent": Target("%", 15, 8, "one room of 100 on G.711, 3 talking, of a core", "rtp"),
    "denoise_pause_db": Target("dB", 15, 25, "noise in pauses: quieter by", "rtp", least=True),
    "denoise_core_percent": Target("%", 1, 0.5, "noise suppression: core a leg", "rtp"),
    "echo_loss_db": Target("dB", 15, 25, "echo: quieter by", "rtp", least=True),
    "echo_core_percent": Target("%", 2.5, 1, "echo cancellation: core a leg", "rtp"),
    "mos_rank_corr": Target("", 0.95, 1, "E-model to ViSQOL over losses: rank", "rtp", least=True),
    "mos_abs_error": Target("MOS", 0.5, 0.25, "E-model to ViSQOL over losses: apart", "rtp"),
}


class Figure(Struct, frozen=True):
    """One id of the result. value None: not measured, and `method` says why."""

    id: str
    value: float | None
    method: str
    peer: float | str | None = None  # the peer's figure in the unit of its method
    runs: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        return TARGETS[self.id].unit

    @property
    def verdict(self) -> str:
        target = TARGETS[self.id]
        if self.value is None:
            return "not measured"
        if target.reaches(self.value, target.stretch):
            return "stretch"
        return "must" if target.reaches(self.value, target.must) else "MISSED"


class Missing(Exception):
    """Something that a scenario needs is not on this machine; the text says what and how to get it."""


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def spread(values: Sequence[float]) -> str:
    """min / median / max."""
    return f"{min(values):.4g} / {median(values):.4g} / {max(values):.4g}"
