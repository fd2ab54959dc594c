"""What goes wrong in a run, and how often. All chances are per opportunity; all times in seconds."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Faults:
    loss: float = 0.0  # datagrams
    duplicate: float = 0.0
    delay_most: float = 0.02
    kills: tuple[float, ...] = ()  # when the owner dies
    kill_at: tuple[int, ...] = ()  # at which of its points (a save or a sending) it dies
    pauses: tuple[
        tuple[float, float], ...
    ] = ()  # (when, how long) an owner hangs; another one takes over meanwhile
    edge_kills: tuple[float, ...] = ()
    rings_on: bool = True  # a callee on a stream rings on while it connects again
    lost_writes: tuple[
        float, ...
    ] = ()  # when the store forgets its last 100 ms, together with the owner's death
    save_timeouts: float = 0.0  # saves that were applied and reported as failed
    takeover_after: float = 0.05
    darkness: tuple[tuple[float, float], ...] = ()  # nobody owns the calls for so long
    relay_gone: tuple[tuple[float, float], ...] = ()  # (when, how long) the media relay is away
    relay_forgets: bool = False  # then it knows no calls when it is back
    relay_slow: float = 0.0  # seconds that its answers take
    relay_left: float = 0.0  # when it is gone for good, and its calls move to another one; 0: never
    tags: tuple[str, ...] = field(default=())
