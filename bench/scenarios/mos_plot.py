"""The curve of `mos` as an SVG: a panel a codec, MOS over loss, ours as lines and ViSQOL's as dots. Text in, text out."""

from collections.abc import Iterator, Sequence

# codec, concealed, mean run, percent lost, our MOS, ViSQOL's
Row = tuple[str, bool, float, int, float, float]

WIDTH, HEIGHT = 300, 220  # of a panel
LEFT, TOP = 44, 58
GAP = 30
MOST_LOSS, LEAST_MOS, MOST_MOS = 10, 1.0, 5.0
COLOURS = {
    (True, 1.0): "#0b6e4f",
    (True, 3.0): "#3a6ea5",
    (False, 1.0): "#c46210",
    (False, 3.0): "#a4243b",
}
WORDS = {
    (True, 1.0): "concealed, losses by chance",
    (True, 3.0): "concealed, runs of 3",
    (False, 1.0): "silence, losses by chance",
    (False, 3.0): "silence, runs of 3",
}


def drawn(rows: Sequence[Row]) -> str:
    """The whole file."""
    codecs = list(dict.fromkeys(row[0] for row in rows))
    width, height = LEFT + len(codecs) * (WIDTH + GAP), TOP + HEIGHT + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for n, (key, word) in enumerate(WORDS.items()):
        lines.append(text(LEFT + n * 200, 14, word, COLOURS[key]))
    lines.append(
        text(LEFT, 32, "lines: our E-model; dots: ViSQOL; across: packets lost, %; up: MOS")
    )
    for n, codec in enumerate(codecs):
        lines += panel(LEFT + n * (WIDTH + GAP), codec, [row for row in rows if row[0] == codec])
    return "\n".join([*lines, "</svg>", ""])


def panel(left: int, codec: str, rows: Sequence[Row]) -> Iterator[str]:
    for mos in range(int(LEAST_MOS), int(MOST_MOS) + 1):
        up = y(mos)
        yield f'<path d="M{left} {up:.1f}h{WIDTH}" stroke="#dddddd"/>'
        yield text(left - 14, up + 4, str(mos))
    yield text(left + 4, TOP - 6, codec)
    for loss in sorted({row[3] for row in rows}):
        yield text(x(left, loss) - 4, TOP + HEIGHT + 16, str(loss))
    for (conceal, run), colour in COLOURS.items():
        # without loss there are no runs: that point belongs to both
        own = [row for row in rows if row[1] is conceal and (row[2] == run or row[3] == 0)]
        own.sort(key=lambda row: row[3])
        way = "L".join(f"{x(left, row[3]):.1f} {y(row[4]):.1f}" for row in own)
        yield f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        for row in own:
            yield f'<circle cx="{x(left, row[3]):.1f}" cy="{y(row[5]):.1f}" r="3" fill="{colour}"/>'


def x(left: int, loss: float) -> float:
    return left + WIDTH * loss / MOST_LOSS


def y(mos: float) -> float:
    return TOP + HEIGHT * (MOST_MOS - mos) / (MOST_MOS - LEAST_MOS)


def text(left: float, up: float, words: str, colour: str = "#222222") -> str:
    return f'<text x="{left:.1f}" y="{up:.1f}" fill="{colour}">{words}</text>'
