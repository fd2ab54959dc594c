"""A call as a ladder: caller, Tandem, callee, and what happened between. Pure: messages in, rich text out."""

from collections.abc import Sequence

from msgspec import Struct
from rich.text import Text

WIDTH = 30  # characters of one gap between two columns
LABEL = WIDTH - 4


class LadderMessage(Struct, frozen=True):
    """One SIP message, seen from Tandem."""

    at: int  # microseconds since 1970
    inbound: bool  # to Tandem
    transport: str
    local: str
    remote: str
    text: str  # latin-1


class Mark(Struct, frozen=True):
    """Something that is no message; a death is a red line across."""

    at: int
    text: str
    death: bool = False


def first_line(text: str) -> str:
    return text.split("\r\n", 1)[0].split("\n", 1)[0]


def header(text: str, name: str) -> str:
    """The first value of a header, "" without it; long names only."""
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line:
            return ""
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == name:
            return value.strip()
    return ""


def label(text: str) -> str:
    """INVITE, 180 Ringing, 200 OK (INVITE): what a person calls the message."""
    start = first_line(text)
    if not start.startswith("SIP/2.0 "):
        method = start.split(" ", 1)[0]
        return f"{method}{_hold(text)}" if method == "INVITE" else method
    status = start.removeprefix("SIP/2.0 ")
    method = header(text, "cseq").rpartition(" ")[2]
    return f"{status} ({method})" if method not in ("", "INVITE") else status


def _hold(text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    if "a=sendonly" in lines or "a=inactive" in lines:
        return " (hold)"
    return " (again)" if "tag=" in header(text, "to") else ""


def ladder(
    messages: Sequence[LadderMessage],
    marks: Sequence[Mark] = (),
    *,
    caller: str = "caller",
    callee: str = "callee",
) -> Text:
    """The picture. The first INVITE that came in names the caller's Call-ID; all others are the callee's side."""
    ordered = sorted(messages, key=lambda m: m.at)
    invite = next((m for m in ordered if m.inbound and m.text.startswith("INVITE ")), None)
    caller_id = header(invite.text, "call-id") if invite else ""
    began = min([m.at for m in ordered] + [k.at for k in marks], default=0)
    out = Text()
    out.append(f"{'seconds':>8}  {caller:<{WIDTH}}{'tandem':<{WIDTH}}{callee}\n", style="bold")
    rows: list[tuple[int, int, LadderMessage | Mark]] = [(m.at, 1, m) for m in ordered]
    rows += [(k.at, 0, k) for k in marks]
    for at, _, row in sorted(rows, key=lambda r: r[:2]):
        seconds = f"{(at - began) / 1e6:8.3f}  "
        if isinstance(row, Mark):
            out.append_text(_mark(seconds, row))
        else:
            on_left = header(row.text, "call-id") == caller_id
            out.append_text(_arrow(seconds, row, on_left=on_left))
    return out


def _arrow(seconds: str, message: LadderMessage, *, on_left: bool) -> Text:
    text = label(message.text)[:LABEL]
    to_right = message.inbound == on_left
    line = f"-{text:-^{WIDTH - 4}}>" if to_right else f"<{text:-^{WIDTH - 4}}-"
    style = _style(text)
    row = Text(seconds)
    if on_left:
        row.append("|").append(line, style).append(" |").append(" " * (WIDTH - 1)).append("|\n")
    else:
        row.append("|").append(" " * (WIDTH - 1)).append("|").append(line, style).append(" |\n")
    return row


def _style(text: str) -> str:
    match text[:1]:
        case "1":
            return "cyan"
        case "2":
            return "green"
        case "3" | "4" | "5" | "6":
            return "yellow"
    return "bold"


def _mark(seconds: str, mark: Mark) -> Text:
    if mark.death:
        return Text(f"{seconds}{' ' + mark.text + ' ':=^{2 * WIDTH + 1}}\n", style="bold red")
    return Text(f"{seconds}{' ' + mark.text + ' ':.^{2 * WIDTH + 1}}\n", style="dim")
