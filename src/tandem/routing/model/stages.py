"""Which stage of a plan follows when one has failed: carriers after carriers, forwards after busy or no answer."""

from msgspec.structs import replace

from tandem.routing.model.plan import Target

Stages = tuple[tuple[Target, ...], ...]

# Telnyx and Microsoft fail over on these and on nothing else; and only before anyone heard a ring.
RETRY = frozenset((408, 480, 503, 504))
# RFC 3263 4.3: another server of the same carrier is for these; 480 and 504 are the carrier's word.
ELSEWHERE = frozenset((0, 408, 503))
BUSY = frozenset((486, 600))
ABSENT = frozenset((408, 480, 487, 503, 504))


def outcome(kind: str, status: int, *, rang: bool) -> str:
    """How a stage ended, for `next_stage`: failed, busy, no-answer; "" when its answer is final.

    kind is the Target's. status is the best final response, 0 for a transport error or when our ring time ran out.
    rang: a provisional response above 100 was seen.
    """
    if kind == "user":
        if status in BUSY:
            return "busy"
        return "no-answer" if status == 0 or status in ABSENT else ""
    if (status == 0 or status in RETRY) and not rang:
        return "failed"
    if status in BUSY:
        return "busy"
    return "no-answer" if rang and (status == 0 or status in RETRY) else ""


def next_place(stages: Stages, stage: int, outcome: str, status: int) -> Stages | None:
    """The stages with a trunk's next place in this one; None: it has none, or its answer was not of that kind."""
    if outcome != "failed" or status not in ELSEWHERE or not stages[stage][0].others:
        return None
    target = stages[stage][0]
    place, *others = target.others
    moved = replace(
        target, host=place.host, port=place.port, transport=place.transport, others=tuple(others)
    )
    return (*stages[:stage], (moved,), *stages[stage + 1 :])


def next_stage(stages: Stages, stage: int, outcome: str) -> int:
    """The number of the stage to ring after `stage` ended so; -1: the plan is at its end."""
    for number in range(stage + 1, len(stages)):
        target = stages[number][0]
        after = target.after if target.after >= 0 else number - 1
        if after == stage and target.on == outcome:
            return number
    return -1
