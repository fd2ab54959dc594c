"""Holds the documentation to the code: commands, options, links, reference pages, and words that have no place in it."""

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from cyclopts import App

from tandem.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
STORED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split("\n")
PAGES = [ROOT / name for name in STORED if name.endswith(".md") and (ROOT / name).is_file()]
GUIDES = [page for page in PAGES if page.is_relative_to(ROOT / "docs") or page.parent == ROOT]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SETUP_ONLY = {"setup"}  # done by ./tandem itself, before Python
LONGEST_EXAMPLE = 60  # lines

COMMAND = re.compile(r"(?:\./)?\btandem ([a-z][a-z-]*)((?: [^`|\n#)]*)?)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# what the product must not say: where it was made, who made it, what it was fetched from
FORBIDDEN = re.compile(
    r"/work/|/root/|/home/[a-z]|worktree|land\.sh"
    r"|pypi\.org|pythonhosted|index\.crates\.io|static\.crates\.io|deb\.debian\.org|proxy\.golang"
    r"|\bLLMs?\b|\bClaude\b|Anthropic|OpenAI|language model|\bsub-?agents?\b",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def maker() -> ModuleType:
    """docs/reference/make.py as a module."""
    spec = importlib.util.spec_from_file_location("make", ROOT / "docs/reference/make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table() -> dict[str, App]:
    """Every command of the table: `up`, `call demo`, ..."""
    make, found = maker(), {}
    for name, where, help in COMMANDS:
        module, _, attribute = where.partition(":")
        target = getattr(import_module(module), attribute)
        if isinstance(target, App):
            found.update(dict(make.commands_of(name, target)))
        else:
            app = App(name=name)
            app.command(target, name=name, help=help)
            found[name] = app[name]
    return found


TABLE = table()
NOUNS = {" ".join(words.split()[:n]) for words in TABLE for n in range(1, len(words.split()))}


def code(page: Path) -> Iterator[str]:
    """The code of a page, line by line: fenced blocks and `spans`."""
    inside = False
    for line in page.read_text(encoding="utf-8").split("\n"):
        if line.startswith("```"):
            inside = not inside
        elif inside:
            yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)


def mentioned(page: Path) -> Iterator[tuple[str, str]]:
    """(command, what follows it) of each `tandem ...` in a page's code."""
    for line in code(page):
        for match in COMMAND.finditer(line):
            if line[: match.start()].endswith(("-", "/", "_")) or "ctl" in line:
                continue
            name, rest = match.group(1), match.group(2).strip()
            while name in NOUNS and (verb := re.match(r"[a-z]+(?= |$)", rest)):
                name, rest = f"{name} {verb.group()}", rest[verb.end() :].strip()
            yield name, rest


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_command_and_option_in_a_page_exists(page: Path) -> None:
    make = maker()
    for words, rest in mentioned(page):
        if words in SETUP_ONLY or words in NOUNS:
            continue
        assert words in TABLE, f"there is no `tandem {words}`"
        known = TABLE[words].default_command
        options = {
            make.option(name, one) for name, one in inspect.signature(known).parameters.items()
        }
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
            assert option in options | {"--help"}, f"`tandem {words}` has no {option}"


def test_every_command_stands_in_a_page_that_a_person_wrote() -> None:
    """Nouns here; their verbs are in the reference, which is made from the code."""
    written = [page for page in GUIDES if page.parent.name != "reference"]
    told = {words.split()[0] for page in written for words, _ in mentioned(page)}
    assert set() == {name for name, _, _ in COMMANDS} - told


def test_help_shows_the_whole_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tandem.cli", "--help"], capture_output=True, text=True, check=True
    )
    for name, _, _ in COMMANDS:
        assert re.search(rf"│ {name} ", done.stdout), name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_guide_and_decision_can_be_found() -> None:
    readme = (ROOT / "README.md").read_text()
    index = (ROOT / "docs/decisions/README.md").read_text()
    guides = {page.name: page.read_text() for page in (ROOT / "docs/guide").glob("*.md")}
    named = {name for name in guides if f"docs/guide/{name}" in readme}
    for name in guides.keys() - named:
        assert any(f"]({name})" in guides[other] for other in named), name
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"]({page.name})" in index, page.name
        for part in ("**Context.**", "**Decision.**", "**What we gave up.**"):
            assert part in page.read_text(), (page.name, part)


def test_the_reference_is_what_the_code_says() -> None:
    make = maker()
    for name, made in make.PAGES.items():
        page = ROOT / "docs" / "reference" / name
        assert made() == page.read_text(), f"run: python docs/reference/make.py ({name})"


def test_nothing_tells_where_it_was_made() -> None:
    """In pages, code, scripts and settings. Lock files name what they lock."""
    found = []
    for name in STORED:
        path = ROOT / name
        if path == Path(__file__) or not path.is_file() or "corpus" in name:
            continue
        if path.suffix in (".lock", ".txt", ".dat", ".sip"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert [] == found


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text().splitlines()) <= LONGEST_EXAMPLE


def test_the_killed_call_of_the_examples_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "kill_while_ringing.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("hung up, status 200, taken over 1 time(s)\n", 0) == (done.stdout, done.returncode)


def test_the_live_calls_of_the_examples_say_what_is_missing() -> None:
    environ = {**os.environ, "TANDEM_API": "http://127.0.0.1:1", "TANDEM_TOKEN": "none"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "calls_now.py"), "1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ,
    )
    assert (1, "") == (done.returncode, done.stdout)
    assert "http://127.0.0.1:1: " in done.stderr and "Traceback" not in done.stderr
