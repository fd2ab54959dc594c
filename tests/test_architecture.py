"""Holds the house's rules: who may import whom, what pure code may not touch, how long a file may be."""

import ast
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "tandem"
PURE_MOST, ANY_MOST = 400, 600  # lines

# Pure files decide and do nothing else: models, and what is named here.
PURE_FILES = {
    "boundary.py",
    "calls/shell.py",
    "calls/commands.py",
    "calls/batch.py",
    "calls/words.py",
    "calls/rows.py",
    "calls/flows.py",
    "calls/relayed.py",
}
PURE_LIBRARIES = {"msgspec"}
UNCLEAN = {
    "asyncio",
    "time",
    "random",
    "secrets",
    "socket",
    "threading",
    "subprocess",
    "os",
    "datetime.now",
}
SHELL_LIBRARIES = {"structlog", "uvloop"}
PURE_CRATES = ("tandem-rtp", "tandem-sip")
STANDARD = __import__("sys").stdlib_module_names


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py"))


def tracked(*endings: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return [ROOT / name for name in names if name.endswith(endings) and (ROOT / name).exists()]


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def is_pure(path: Path) -> bool:
    name = name_of(path)
    return name in PURE_FILES or "/model/" in name or name.endswith("/model.py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def module_file(name: str) -> Path | None:
    """The file of a tandem module, or of the module that a name is imported from."""
    parts = name.split(".")[1:]
    while parts:
        path = SOURCE.joinpath(*parts)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file
        parts.pop()
    return None


@pytest.mark.parametrize("path", [p for p in files() if is_pure(p)], ids=name_of)
def test_pure_code_imports_only_pure_code(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        if top == "tandem":
            file = module_file(name)
            assert file is not None, name
            assert is_pure(file) or (file.name == "__init__.py" and not imports(file)), (
                f"{name_of(path)} imports {name}"
            )
        else:
            assert top in STANDARD or top in PURE_LIBRARIES, f"{name_of(path)} imports {name}"
            assert top not in UNCLEAN, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", [p for p in files() if is_pure(p)], ids=name_of)
def test_pure_code_does_not_print_or_wait(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "open", "input")


def test_only_wiring_imports_adapters() -> None:
    for path in files():
        name = name_of(path)
        if name == "wiring.py" or name.startswith(("adapters/", "cli/", "web/", "testing/")):
            continue
        for imported in imports(path):
            assert not imported.startswith("tandem.adapters"), f"{name} imports {imported}"


def test_services_reach_the_outside_by_ports_only() -> None:
    for path in files():
        if path.name != "service.py":
            continue
        for imported in imports(path):
            assert not imported.startswith(("tandem.adapters", "tandem.web", "tandem.cli")), (
                f"{name_of(path)} imports {imported}"
            )


@pytest.mark.parametrize("start", ["edge/__main__.py"])
def test_the_edge_starts_without_the_http_stack(start: str) -> None:
    seen: set[Path] = set()
    todo = [SOURCE / start]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path):
            assert name.split(".")[0] not in (
                "litestar",
                "uvicorn",
                "cyclopts",
                "rich",
                "asyncio",
            ), f"{path} imports {name}"
            if name.startswith("tandem.") and (file := module_file(name)) is not None:
                todo.append(file)


def test_no_file_is_too_long() -> None:
    for path in tracked(".py", ".rs", ".ts", ".tsx"):
        lines = len(path.read_text().splitlines())
        assert lines <= ANY_MOST, f"{path.relative_to(ROOT)} has {lines} lines"
        if path.is_relative_to(SOURCE) and is_pure(path):
            assert lines <= PURE_MOST, f"{path.relative_to(ROOT)} has {lines} lines"


def test_every_module_opens_with_a_sentence() -> None:
    for path in files():
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} has no sentence at its top"
    for path in tracked(".rs"):
        if "src" in path.parts:
            assert path.read_text().lstrip().startswith(("//!", "// ")), (
                f"{path.relative_to(ROOT)} has no sentence at its top"
            )


def test_pure_crates_depend_on_no_runtime() -> None:
    for crate in PURE_CRATES:
        manifest = tomllib.loads((ROOT / "crates" / crate / "Cargo.toml").read_text())
        assert not {"tokio", "mio", "pyo3", "libc"} & set(manifest.get("dependencies", {}))


def test_the_pure_part_of_the_resolver_touches_nothing() -> None:
    for path in sorted((ROOT / "crates/tandem-dns/src/model").glob("*.rs")):
        for word in ("tokio", "hickory", "rustix", "std::time", "Instant", "std::fs", "rand::"):
            assert word not in path.read_text(), f"{path.name}: {word}"


def test_no_room_reaches_into_another_rooms_shell() -> None:
    rooms = {path.parent.name for path in files() if path.name == "service.py"}
    for path in files():
        name = name_of(path)
        room = name.split("/")[0]
        if room in ("node", "cli", "web", "testing") or name == "wiring.py":
            continue
        for imported in imports(path):
            parts = imported.split(".")
            if len(parts) > 2 and parts[0] == "tandem" and parts[1] in rooms and parts[1] != room:
                assert parts[2] != "service", f"{name} imports {imported}"
