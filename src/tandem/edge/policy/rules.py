"""The rules of one policy file: what `@on` notes, and how the file is read. It runs no server."""

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from tandem.edge.policy.model import Request, Rule

RULES_MOST = 32
Function = Callable[[Request], Any]
F = TypeVar("F", bound=Function)


class BadPolicyFile(Exception):
    """A file that cannot be used; the text says where and why."""


class Written(Struct, frozen=True):
    """A rule with its function."""

    rule: Rule
    function: Function


_noted: list[Written] = []  # by the file that is being read


def on(
    method: str, *, by: tuple[str, ...] | list[str] = (), seconds: float = 60.0
) -> Callable[[F], F]:
    """Notes a function for requests of a method that begin something (in dialogs, tokens say where a request goes).

    by: fields of the request that the verdict depends on: source, uri_user, from_user, header:NAME ...; seconds: how long
    the verdict on the same values is kept; 0: it is asked for each time.
    """
    rule = Rule(method, tuple(by), float(seconds))

    def note(function: F) -> F:
        if any(one.rule.method == method for one in _noted):
            raise ValueError(f"on({method!r}): there is a function for it already")
        if len(_noted) >= RULES_MOST:
            raise ValueError(f"on({method!r}): at most {RULES_MOST} functions")
        _noted.append(Written(rule, function))
        return function

    return note


def read_file(path: Path) -> tuple[Written, ...]:
    """Runs the file. Raises BadPolicyFile."""
    _noted.clear()
    spec = spec_from_file_location("tandem_policy", path)
    if spec is None or spec.loader is None:
        raise BadPolicyFile(f"{path}: the name of a Python file ends with .py")
    try:
        # From its text: a compiled one beside it counts as new by second and length, and edits may be quicker and as long.
        code = compile(path.read_bytes(), str(path), "exec")
        exec(code, module_from_spec(spec).__dict__)
    except FileNotFoundError:
        raise BadPolicyFile(f"{path}: there is no such file") from None
    except (Exception, SystemExit) as error:
        raise BadPolicyFile(f"{path}: {type(error).__name__}: {error}") from error
    written = tuple(_noted)
    if not written:
        raise BadPolicyFile(f'{path}: no function has @on("INVITE", ...) above it')
    return written
