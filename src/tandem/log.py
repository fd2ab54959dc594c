"""Log lines: a time, a level, a fixed sentence, fields. To stderr; it starts in no time, which the call node needs.

log.info("call ended", call=id, why=why)
"""

import sys
import time
from typing import Any

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
VALUE_CHARACTERS = 2_000  # of one field; what is longer is cut


class Log:
    """One for the process. `level` is the lowest that is written."""

    def __init__(self) -> None:
        self.level = "info"

    def debug(self, sentence: str, **fields: Any) -> None:
        self.write("debug", sentence, fields)

    def info(self, sentence: str, **fields: Any) -> None:
        self.write("info", sentence, fields)

    def warning(self, sentence: str, **fields: Any) -> None:
        self.write("warning", sentence, fields)

    def error(self, sentence: str, **fields: Any) -> None:
        self.write("error", sentence, fields)

    def write(self, level: str, sentence: str, fields: dict[str, Any]) -> None:
        if LEVELS[level] >= LEVELS[self.level]:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            told = "".join(f" {name}={shown(value)}" for name, value in fields.items())
            print(f"{at} {level} {sentence}{told}", file=sys.stderr, flush=True)


def shown(value: Any) -> str:
    """A field's value: quoted when it has blanks, never more than one line."""
    text = str(value)[:VALUE_CHARACTERS].replace("\n", "\\n").replace("\r", "\\r")
    return f'"{text}"' if " " in text or not text else text


log = Log()
