"""One call as a scripted phone sees it, and its dialogs. Data only; tandem.testing.actor moves it."""

from dataclasses import dataclass, field

from tandem.testing.sim.wire import Message


@dataclass
class Dialog:
    """One dialog of a line: the peer's tag, where its requests go, and the tag under which we have it."""

    local_tag: str
    tag: str
    target: str
    routes: list[str]
    remote_cseq: int = 0
    ack: Message | None = None
    state: str = "early"  # early, talking, ended


@dataclass
class Line:
    """One call as a phone sees it."""

    call_id: str
    caller: bool
    local: str
    local_tag: str
    remote: str
    target: str
    invite: Message
    dialogs: dict[tuple[str, str], Dialog] = field(default_factory=dict)
    state: str = "calling"  # calling, ringing, talking, ended
    finals: list[int] = field(default_factory=list)
    gave_up: bool = False
    cseq: int = 1
    got_ack: bool = False
    answered_at: int = 0
    ended_at: int = 0
    media: str = ""  # where the last description that it heard wants its media
    direction: str = ""
    heard: list[Message] = field(default_factory=list)

    @property
    def dialog(self) -> Dialog:
        """The one that talks, else the newest."""
        every = list(self.dialogs.values())
        return next((d for d in every if d.state == "talking"), every[-1])

    def statuses(self, method: str = "INVITE") -> list[int]:
        return [m.status for m in self.heard if m.status and m.method == method]

    def got(self, method: str) -> list[Message]:
        return [m for m in self.heard if not m.status and m.method == method]

    def answers(self, method: str) -> list[Message]:
        return [m for m in self.heard if m.status >= 200 and m.method == method]
