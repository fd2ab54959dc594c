"""One question to the call node's control socket (docs/concepts/control.md), for the command line. Blocking; no asyncio."""

import json
import socket
from pathlib import Path
from typing import Any

LINE_BYTES = 16 * 1024 * 1024  # of an answer, as in docs/concepts/control.md
ANSWER_SECONDS = 5.0


class NoNode(Exception):
    """Nobody answers on the control socket; the text says why."""


class Problem(Exception):
    """The node refuses; the text is its title and detail."""


def ask(
    control_socket: Path,
    do: str,
    *,
    patience: float = ANSWER_SECONDS,
    who: str = "the call node",
    hint: str = "`tandem up` starts it, `tandem logs node` shows what it wrote",
    **arguments: Any,
) -> Any:
    """The `ok` of the answer within `patience` seconds. Raises NoNode, Problem."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(patience)
            stream.connect(str(control_socket))
            stream.sendall(json.dumps({"id": 1, "do": do, "with": arguments}).encode() + b"\n")
            line = _line(stream)
        answer = json.loads(line)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoNode(
            f"{who} does not answer on {control_socket}: it does not run: {hint}"
        ) from error
    except PermissionError as error:
        raise NoNode(f"{control_socket} belongs to another user: {error.strerror}") from error
    except (OSError, ValueError) as error:
        raise NoNode(f"{who} does not answer on {control_socket}: {error}") from error
    if problem := answer.get("problem"):
        raise Problem(f"{problem.get('title', 'refused')}: {problem.get('detail', '')}")
    return answer.get("ok")


def _line(stream: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = stream.recv(65_536)
        if not part or len(received) > LINE_BYTES:
            raise OSError("the answer is cut off")
        received += part
    return bytes(received)
