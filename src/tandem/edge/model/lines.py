"""In which line of a TOML text each field stands. It reads what `tomllib` has accepted, and takes no values from it."""

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r'(?P<text>"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>#[^\n]*)|(?P<end>\n)|(?P<mark>\[\[|\]\]|[][{}=,.])|(?P<word>[^\s#\"'\[\]{}=,.]+)",
    re.DOTALL,
)
Token = tuple[str, str, int]  # kind, text, line


def lines_of(text: str) -> dict[str, int]:
    """The first line of each field by its path, like pool[0].members[1].weight."""
    return _Reader(text).found


def line_of(text: str, field: str) -> int:
    """Of a field, or of the innermost thing around it that is written down; 0: it stands nowhere."""
    known = lines_of(text)
    while field and field not in known:
        field = field[: max(field.rfind("."), field.rfind("["), 0)]
    return known.get(field, 0)


class _Reader:
    def __init__(self, text: str) -> None:
        self.found: dict[str, int] = {}
        self.counts: dict[str, int] = {}  # tables that an array has so far
        self.tokens = list(_tokens(text))
        self.at = 0
        table = ""
        while (token := self._next()) is not None:
            kind, shown, line = token
            if kind == "mark" and shown in ("[", "[["):
                table = self._header(many=shown == "[[", line=line)
            elif kind != "end":
                self.at -= 1
                self._pair(table)

    def _next(self) -> Token | None:
        if self.at >= len(self.tokens):
            return None
        self.at += 1
        return self.tokens[self.at - 1]

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _header(self, *, many: bool, line: int) -> str:
        parts = self._key("]]" if many else "]")
        path = ""
        for n, part in enumerate(parts):
            path = f"{path}.{part}" if path else part
            if many and n == len(parts) - 1:
                self.counts[path] = self.counts.get(path, -1) + 1
            if path in self.counts:
                path += f"[{self.counts[path]}]"
        self.found.setdefault(path, line)
        return path

    def _key(self, until: str) -> list[str]:
        parts: list[str] = []
        while (token := self._next()) is not None and token[1] != until:
            if token[0] in ("word", "text"):
                parts.append(token[1].strip("\"'"))
        return parts

    def _pair(self, table: str) -> None:
        line = self.tokens[self.at][2]
        path = table
        for part in self._key("="):
            path = f"{path}.{part}" if path else part
            self.found.setdefault(path, line)
        self._value(path)

    def _value(self, path: str) -> None:
        """Its tokens, to the end of what it holds."""
        match self._peek():
            case "[" | "[[":
                self._array(path)
            case "{":
                self.at += 1
                while self._peek() not in ("}", ""):
                    if self._peek() in (",", "\n"):
                        self.at += 1
                    else:
                        self._pair(path)
                self.at += 1
            case _:
                while self._peek() not in (",", "\n", "]", "]]", "}", ""):
                    self.at += 1

    def _array(self, path: str) -> None:
        kind, shown, line = self.tokens[self.at]
        if shown == "[[":  # two arrays, one in the other
            self.tokens[self.at : self.at + 1] = [(kind, "[", line)] * 2
        self.at += 1
        index = 0
        while self._peek() not in ("]", "]]", ""):
            if self._peek() in (",", "\n"):
                self.at += 1
                continue
            one = f"{path}[{index}]"
            self.found.setdefault(one, self.tokens[self.at][2])
            self._value(one)
            index += 1
        if self._peek() == "]]":
            self.tokens[self.at : self.at + 1] = [("mark", "]", self.tokens[self.at][2])] * 2
        self.at += 1


def _tokens(text: str) -> Iterator[Token]:
    line = 1
    for token in TOKEN.finditer(text):
        kind = token.lastgroup or ""
        if kind != "comment":
            yield kind, "\n" if kind == "end" else token.group(), line
        line += token.group().count("\n")
