"""One question to the media relay's ng socket, for the command line. Blocking; it repeats nothing."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem.cli.ask import NoNode, Problem

ANSWER_SECONDS = 3.0
ANSWER_BYTES = 65_536


def ask_relay(place: Path | tuple[str, int], command: str, **fields: Any) -> dict[str, Any]:
    """Its answer; `call_id=` is the key call-id. Raises NoNode when none comes, Problem when it is an error."""
    cookie = f"cli{os.getpid()}-{time.monotonic_ns()}"
    asked = {"command": command, **{key.replace("_", "-"): v for key, v in fields.items()}}
    where = str(place) if isinstance(place, Path) else f"{place[0]}:{place[1]}"
    try:
        with _asker(place) as asker:
            asker.send(f"{cookie} {json.dumps(asked)}".encode())
            answer = _answer(asker, cookie)
    except (OSError, ValueError) as error:
        raise NoNode(
            f"the media relay does not answer on {where}: {_why(error)}: `tandem status` tells about it"
        ) from error
    if answer.get("result") == "error":
        raise Problem(f"the media relay refuses: {str(answer.get('error-reason', ''))[:200]}")
    return answer


def _answer(asker: socket.socket, cookie: str) -> dict[str, Any]:
    until = time.monotonic() + ANSWER_SECONDS
    while (left := until - time.monotonic()) > 0:  # what the relay tells unasked comes here too
        asker.settimeout(left)
        said, _, body = asker.recv(ANSWER_BYTES).partition(b" ")
        if said == cookie.encode():
            answer: dict[str, Any] = json.loads(body)
            return answer
    raise TimeoutError


@contextmanager
def _asker(place: Path | tuple[str, int]) -> Iterator[socket.socket]:
    if not isinstance(place, Path):
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asker:
            asker.connect(place)
            yield asker
        return
    own = place.parent / f"ask-{os.getpid()}.sock"
    own.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        try:
            asker.bind(str(own))
            asker.connect(str(place))
            yield asker
        finally:
            own.unlink(missing_ok=True)


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"no answer in {ANSWER_SECONDS:.0f} s"
        case FileNotFoundError() | ConnectionRefusedError():
            return "it does not run"
        case OSError() if error.strerror:
            return error.strerror
    return str(error)
