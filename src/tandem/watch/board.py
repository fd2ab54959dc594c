"""The screen of `tandem top`: figures as lines of text that fit a terminal. It asks nobody and prints nothing."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from tandem.watch.rates import MemberRow, PoolRow, Shown, WorkerRow

ADDRESSES, COUNTS, WIDE = 104, 128, 120  # columns from which on more is shown
REASONS = 5  # of refusals, the most frequent
TALL = 30  # lines from which on there is room for space
BLOCKS = " ▏▎▍▌▋▊▉█"
SPARKS = "▁▂▃▄▅▆▇█"
DOTS = {
    "up": ("●", "green"), "trial": ("◐", "yellow"), "grey": ("◌", "yellow"), "busy": ("◌", "yellow"), "down": ("●", "bold red"),
    "draining": ("◑", "cyan"), "off": ("○", "bright_black"), "gone": ("○", "bright_black"),
}  # fmt: skip
CLASS_STYLES = {"2xx": "green", "3xx": "cyan", "4xx": "yellow", "5xx": "red", "6xx": "red"}
LINKS = {None: ("-", "bright_black"), True: ("up", "green"), False: ("DOWN", "bold red")}
LABEL, VALUE, QUIET, TITLE = "bright_black", "bold", "bright_black", "bold cyan"
Column = tuple[str, int, bool]  # title, width, to the right


def screen(shown: Shown, history: Sequence[float], width: int, height: int) -> list[Text]:
    """At most `height` lines of at most `width` columns. `history` is calls or messages a second, oldest first."""
    width, height = max(width, 40), max(height, 8)
    head, foot = _head(shown, history, width), _foot(shown, width)
    head += [Text()] if height >= TALL else []
    below = _below(shown, width)
    room = height - len(head) - len(foot)
    # pools have what the rest does not need; below them at least its titles and two rows stay
    pools_room = max(
        room - len(below) - 1, min(room - 4, 2 + sum(1 + p.total for p in shown.pools))
    )
    pools = _pools(shown.pools, width, max(pools_room, 3)) if shown.pools else []
    lines = [*head, *pools]
    if pools:
        lines.append(Text())
    lines += below[: max(0, height - len(lines) - len(foot))]
    lines += [Text()] * (height - len(lines) - len(foot))
    return [_cut(line, width) for line in (*lines[: height - len(foot)], *foot)]


def one_frame(shown: Shown, width: int) -> list[Text]:
    """All of it, as long as it is."""
    pools = _pools(shown.pools, width, 100_000) if shown.pools else []
    lines = [
        *_head(shown, (), width),
        Text(),
        *pools,
        *([Text()] if pools else []),
        *_below(shown, width),
    ]
    return [_cut(line, width) for line in (*lines, *_warnings(shown))]


# --- head and foot ---------------------------------------------------------------------------------------------------


def _head(shown: Shown, history: Sequence[float], width: int) -> list[Text]:
    state, style = ("ready", "bold green") if shown.ready else ("NOT READY", "bold white on red")
    if shown.draining:
        state, style = "draining", "bold black on cyan"
    left = Text.assemble((f" {shown.name} ", "bold reverse"), "  ", (f"{state}", style))
    if not shown.ready and shown.reasons:
        left.append("  " + clean(", ".join(shown.reasons)), "yellow")
    right = Text.assemble(("up ", LABEL), (span(shown.up_seconds), VALUE))
    first = _apart(left, right, width)
    parts = [
        ("calls", figure(shown.calls)),
        ("in/s", figure(shown.received)),
        ("out/s", figure(shown.sent)),
        ("banned", figure(shown.banned)),
    ]
    registrations = shown.gauges.get("registrations")
    if registrations is not None:
        parts.insert(1, ("registered", figure(registrations)))
    second = Text(" ")
    for name, value in parts:
        second.append(f"{name} ", LABEL)
        second.append(f"{value}   ", VALUE)
    second.rstrip()
    spare = width - second.cell_len - 4
    if history and spare >= 8:
        second = _apart(second, Text(sparks(history[-spare:]), "cyan"), width)
    return [_cut(first, width), _cut(second, width)]


def _foot(shown: Shown, width: int) -> list[Text]:
    warnings = _warnings(shown)
    keys = Text.assemble((" q", VALUE), (" quit  ", QUIET), ("p", VALUE), (" pause", QUIET))
    if warnings:
        return [_cut(warnings[0], width), _cut(keys, width)]
    note = Text("changed live ", "cyan") if shown.changed else Text()
    return [_cut(_apart(keys, note, width), width)]


def _warnings(shown: Shown) -> list[Text]:
    return [Text(f" not used: {clean(why)}", "yellow") for why in shown.problems]


# --- pools -----------------------------------------------------------------------------------------------------------


def _columns(width: int) -> list[Column]:
    columns: list[Column] = [("", 2, False), ("server", 18, False)]
    if width >= ADDRESSES:
        columns += [("address", 24, False)]
    columns += [("state", 8, False), ("weight", 6, True), ("calls", 14, False), ("done/s", 6, True)]
    columns += [("fail/s", 6, True), ("answer", 8, True)]
    if width >= COUNTS:
        columns += [("4xx", 5, True), ("5xx", 5, True), ("lost", 5, True)]
    used = sum(size + 1 for _, size, _ in columns)
    if width - used > 12:
        columns.append(("", width - used - 1, False))
    return columns


def _pools(pools: Sequence[PoolRow], width: int, room: int) -> list[Text]:
    columns = _columns(width)
    titles = [Text(title, LABEL) for title, _, _ in columns]
    lines = [_row(titles, columns)]
    for pool in pools:
        lines.append(_pool_line(pool, width))
        lines += [_row(_member(one, width), columns) for one in sorted(pool.members, key=_worst)]
    if len(lines) > room:
        hidden = len(lines) - room + 1
        lines = [*lines[: room - 1], Text(f"   … {hidden} more", QUIET)]
    return lines


def _worst(member: MemberRow) -> int:
    """What needs an eye comes first; the rest stays in the configuration's order."""
    return {"down": 0, "grey": 0, "busy": 0, "trial": 1}.get(member.state, 2)


def _pool_line(pool: PoolRow, width: int) -> Text:
    style = "green" if pool.up == pool.total else "yellow" if pool.up else "bold red"
    left = Text.assemble((pool.name, TITLE), "  ", (f"{pool.up}/{pool.total} up", style))
    if pool.panic:
        left.append("  PANIC: all are tried", "bold red")
    left.append(f"  {figure(pool.calls)} calls", LABEL)
    right = Text()
    for name, value in (("p50", pool.p50), ("p95", pool.p95), ("p99", pool.p99)):
        right.append(f"{name} ", LABEL)
        right.append(f"{milliseconds(value):<8}", VALUE if value is not None else QUIET)
    return _apart(left, right, width)


def _member(one: MemberRow, width: int) -> list[Text]:
    dot, style = DOTS.get(one.state, ("?", "bold red"))
    quiet = QUIET if one.state in ("off", "gone") else ""
    cells = [Text(f" {dot}", style), Text(clean(one.name), quiet)]
    if width >= ADDRESSES:
        cells.append(Text(clean(one.address), QUIET))
    weight = f"{one.weight}" + (f"/{one.priority}" if one.priority else "")
    failed = Text(figure(one.failed), "bold red" if one.failed else QUIET)
    cells += [
        Text(one.state, style),
        Text(weight, quiet),
        _load(one),
        Text(figure(one.replies), quiet),
    ]
    cells += [failed, Text(milliseconds(one.answer_ms), quiet)]
    if width >= COUNTS:
        counts = (one.classes.get("4xx", 0), one.classes.get("5xx", 0), one.lost)
        cells += [
            Text(figure(count), "red" if count and n else QUIET) for n, count in enumerate(counts)
        ]
    cells.append(Text(clean(one.note), QUIET))
    return cells


def _load(one: MemberRow) -> Text:
    """Calls, as a bar where there is a capacity."""
    if not one.capacity:
        return Text(figure(one.calls))
    part = min(1.0, one.used / one.capacity)
    style = "red" if part >= 0.95 else "yellow" if part >= 0.8 else "green"
    told = f"{figure(one.used)}/{figure(one.capacity)}"
    return Text.assemble((bar(part, 5), style), " ", told)


# --- below the pools -------------------------------------------------------------------------------------------------


def _below(shown: Shown, width: int) -> list[Text]:
    blocks = [_traffic(shown), _replies(shown), _refused(shown)]
    workers = _workers(shown.workers)
    if width >= WIDE:
        return _beside([*blocks, workers, *([_bans(shown)] if shown.bans else [])], width)
    lines = _beside(blocks, width)
    bans = (
        [_cut(Text.assemble(("banned ", LABEL), "  ".join(map(clean, shown.bans))), width)]
        if shown.bans
        else []
    )
    return [*lines, *workers, *bans]


def _traffic(shown: Shown) -> list[Text]:
    lines = [Text(f"{'via':<4} {'in/s':>5} {'out/s':>5} {'conn':>5}", LABEL)]
    for name, (received, sent, connections) in shown.transports.items():
        told = figure(connections) if name != "udp" else ""
        lines.append(Text(f"{name:<4} {figure(received):>5} {figure(sent):>5} {told:>5}"))
    return lines if shown.transports else [*lines, Text("nothing yet", QUIET)]


def _replies(shown: Shown) -> list[Text]:
    lines = [Text(f"{'reply':<5} {'/s':>5}", LABEL)]
    most = max(shown.replies.values(), default=0.0)
    for name, rate in shown.replies.items():
        style = CLASS_STYLES[name] if rate else QUIET
        part = rate / most if most else 0.0
        lines.append(
            Text.assemble((f"{name:<5} ", style), f"{figure(rate):>5} ", (bar(part, 6), style))
        )
    return lines if shown.replies else [*lines, Text("none yet", QUIET)]


def _refused(shown: Shown) -> list[Text]:
    lines = [Text(f"{'refused':<14} {'/s':>5} {'all':>5}", LABEL)]
    most = sorted(
        {**shown.refused, **shown.dropped}.items(), key=lambda item: (-item[1][0], -item[1][1])
    )
    for reason, (rate, total) in most[:REASONS]:
        name = reason.replace("_", " ")[:14]
        style = "yellow" if rate else QUIET
        lines.append(Text(f"{name:<14} {figure(rate):>5} {figure(total):>5}", style))
    return lines if len(lines) > 1 else [*lines, Text("nothing", QUIET)]


def _workers(workers: Iterable[WorkerRow]) -> list[Text]:
    title = f"{'worker':<6} {'up':>7} {'in/s':>5} {'out/s':>5} {'cpu':>4} {'conn':>5} link"
    lines = [Text(title, LABEL)]
    for one in workers:
        if one.why:
            lines.append(Text.assemble(f"{one.edge:<6} ", ("does not answer", "bold red")))
            continue
        cpu = "" if one.cpu is None else f"{one.cpu * 100:.0f}%"
        link, style = LINKS[one.link]
        rates = (
            f"{figure(one.received):>5} {figure(one.sent):>5} {cpu:>4} {figure(one.connections):>5}"
        )
        lines.append(
            Text.assemble(f"{one.edge:<6} {span(one.up_seconds):>7} {rates} ", (link, style))
        )
    return lines


def _bans(shown: Shown) -> list[Text]:
    return [Text("banned", LABEL), *(Text(clean(source)) for source in shown.bans[:8])]


# --- text ------------------------------------------------------------------------------------------------------------


def _row(cells: Sequence[Text], columns: Sequence[Column]) -> Text:
    line = Text()
    for cell, (_, size, right) in zip(cells, columns, strict=False):
        one = cell.copy()
        one.truncate(size, overflow="ellipsis")
        pad = " " * (size - one.cell_len)
        line.append_text(Text.assemble(pad, one) if right else Text.assemble(one, pad))
        line.append(" ")
    line.rstrip()
    return line


def _beside(blocks: Sequence[list[Text]], width: int) -> list[Text]:
    """Blocks next to each other, as far apart as the width allows."""
    sizes = [max(line.cell_len for line in block) for block in blocks]
    gap = max(2, min(6, (width - sum(sizes)) // max(1, len(blocks) - 1)))
    lines = []
    for n in range(max(map(len, blocks))):
        line = Text()
        for block, size in zip(blocks, sizes, strict=True):
            cell = block[n] if n < len(block) else Text()
            line.append_text(cell)
            line.append(" " * (size - cell.cell_len + gap))
        line.rstrip()
        lines.append(_cut(line, width))
    return lines


def _apart(left: Text, right: Text, width: int) -> Text:
    room = width - right.cell_len - 1
    kept = left.copy()
    kept.truncate(max(0, room - 1), overflow="ellipsis")
    return Text.assemble(kept, " " * max(1, room - kept.cell_len), right)


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line


def clean(text: str) -> str:
    """What a peer sent must not move the terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def figure(value: float) -> str:
    """At most five characters: 7.2, 812, 12.3k, 4.5M."""
    if value < 0.05:
        return "0"
    if value < 10 and value != int(value):
        return f"{value:.1f}"
    for unit, size in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9)):
        part = value / size
        if part < 9_999.5 and not unit:
            return f"{part:.0f}"
        if unit and part < 999.95:
            return f"{part:.1f}{unit}" if part < 99.95 else f"{part:.0f}{unit}"
    return f"{value:.0e}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 1:
        return f"{value:.2f} ms"
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 9_999.5 else f"{value / 1e3:.1f} s"


def span(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3_600}h {whole % 3_600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3_600:02d}h"


def bar(part: float, size: int) -> str:
    """Eighths of a cell."""
    eighths = round(max(0.0, min(1.0, part)) * size * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(size)


def sparks(values: Sequence[float]) -> str:
    most = max(values, default=0.0)
    if not most:
        return SPARKS[0] * len(values)
    return "".join(SPARKS[min(7, int(value / most * 7.99))] for value in values)
