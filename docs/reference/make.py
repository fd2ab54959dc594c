"""Writes the reference pages from the code: `python docs/reference/make.py`. A test fails while they differ from it."""

import ast
import inspect
import io
import json
import tokenize
from importlib import import_module
from pathlib import Path

import msgspec
from cyclopts import App

from tandem import config
from tandem.cli.main import COMMANDS
from tandem.edge.model import tree

HERE = Path(__file__).parent


def verbs(app: App) -> list[str]:
    return sorted(name for name in app if not name.startswith("-"))


def commands_of(words: str, app: App) -> list[tuple[str, App]]:
    """Every command below a noun, with all its words: `edge member add`."""
    found = []
    for verb in verbs(app):
        one = app[verb]
        deeper = commands_of(f"{words} {verb}", one) if one.default_command is None else []
        found += deeper or [(f"{words} {verb}", one)]
    return found


def summary(command: App) -> str:
    text = inspect.getdoc(command.default_command) or str(command.help or "")
    return " ".join(text.split("\n\n")[0].split())


def parameters(command: App) -> str:
    """`<name>` for each positional, `--option` for each other."""
    words = []
    for name, one in inspect.signature(command.default_command).parameters.items():
        dashed = option(name, one)
        if one.kind is one.VAR_POSITIONAL:
            words.append("[field=value...]" if name == "field" else f"[{name}...]")
        elif one.kind is one.POSITIONAL_OR_KEYWORD:
            words.append(f"<{name}>" if one.default is one.empty else f"[{name}]")
        else:
            words.append(f"[{dashed}]")
    return " ".join(words)


def option(name: str, one: inspect.Parameter) -> str:
    named = [getattr(meta, "name", None) for meta in getattr(one.annotation, "__metadata__", ())]
    found = next((n for n in named if n), None)
    first = found[0] if isinstance(found, tuple | list) else found
    return first or "--" + name.replace("_", "-")


def commands() -> str:
    lines = [
        "# Commands",
        "",
        "*Made from the code by `docs/reference/make.py`. `tandem COMMAND --help` says what each option means.*",
        "",
        "In a checkout the command is `./tandem`. Exit status 0: done; 1: refused or failed; 2: a wrong option or configuration; 3: Tandem does not run here.",
        "",
        "| command | what it does |",
        "|---|---|",
    ]
    for name, where, help in COMMANDS:
        module, _, attribute = where.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, App):
            lines += [row(words, command) for words, command in commands_of(name, found)]
        else:
            app = App(name=name)
            app.command(found, name=name, help=help)
            lines.append(row(name, app[name]))
    return "\n".join(lines) + "\n"


def row(words: str, command: App) -> str:
    shown = f"tandem {words} {parameters(command)}".strip()
    return f"| `{shown}` | {summary(command)} |"


def configuration() -> str:
    lines = [
        "# Configuration",
        "",
        "*Made from the code by `docs/reference/make.py`.*",
        "",
        "`tandem.toml` is looked for at `TANDEM_CONFIG`; else in the checkout; else in `/etc/tandem` (root) or `~/.config/tandem`. The first `tandem up` writes one.",
        "Every value can also come from the environment as `TANDEM_<SECTION>_<KEY>`, which wins over the file; lists are comma separated there. Relative paths are relative to the file's directory.",
        "An unknown key or section is refused. After a change: `tandem reload` restarts only the processes that the change concerns.",
    ]
    for section in msgspec.structs.fields(config.Config):
        if section.name == "base":
            continue
        lines += ["", f"## [{section.name}]", "", str(inspect.getdoc(section.type)), ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        told = comments(section.type)
        deeper: list[tuple[str, type]] = []
        for field in msgspec.structs.fields(section.type):
            if (found := inner(field.type)) is not None:
                deeper.append((f"{section.name}.{field.name}", found[0]))
                continue
            default = json.dumps(field.default)  # the same text in TOML for these types
            lines.append(
                f"| `{field.name}` | {typed(field.type)} | `{default}` | {told[field.name]} |"
            )
        for name, struct in deeper:
            lines += ["", f"## [[{name}]]", "", *table_of(struct)]
    return "\n".join(lines) + "\n"


def table_of(struct: type) -> list[str]:
    """What a table of a list says, and its fields."""
    told = comments(struct)
    return [
        str(inspect.getdoc(struct)),
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ] + [
        f"| `{field.encode_name}` | {written(field)} | {default(field)} | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(struct)
        if inner(field.type) is None
    ]


def typed(type_: object) -> str:
    schema = msgspec.json.schema(type_)
    if "enum" in schema:
        return " or ".join(f'"{one}"' for one in sorted(schema["enum"]))
    if schema["type"] in ("integer", "number"):
        return f"{schema.get('minimum', '')} to {schema.get('maximum', '')}"
    if schema["type"] == "array" and schema["items"].get("type") == "integer":
        return "list of numbers"
    return {"boolean": "true or false", "array": "list of texts", "string": "text"}[schema["type"]]


def comments(struct: type) -> dict[str, str]:
    """What stands behind each field in the source."""
    source = inspect.getsource(struct)
    by_line: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            by_line[token.start[0]] = token.string.removeprefix("#").strip()
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        node.target.id: " ".join(
            by_line[n] for n in range(node.lineno, (node.end_lineno or 0) + 1) if n in by_line
        ).replace("|", "\\|")
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def edge() -> str:
    lines = [
        "# edge.toml",
        "",
        "*Made from the code by `docs/reference/make.py`. How to use it: the guide to the edge.*",
        "",
        "The file of a standalone edge. A command finds it by `--config` (or as its argument), `TANDEM_EDGE_CONFIG`, in the current directory, or in `/etc/tandem`.",
        "An unknown key or section is refused. Relative paths are relative to the file's directory. `tandem edge check` says in words what a file means; after a change: `tandem edge reload`.",
    ]
    for name, struct, many in sections():
        lines += ["", f"## {'[[' if many else '['}{name}{']]' if many else ']'}", ""]
        lines += table_of(struct)
    return "\n".join(lines) + "\n"


def sections() -> list[tuple[str, type, bool]]:
    """Name, Struct, and whether there may be several; what stands within another one comes behind it."""
    found = []
    for field in msgspec.structs.fields(tree.Tree):
        struct, many = inner(field.type) or (None, False)
        assert struct is not None
        found.append((field.name, struct, many))
        for deeper in msgspec.structs.fields(struct):
            if (one := inner(deeper.type)) is not None:
                found.append((f"{field.name}.{deeper.name}", *one))
    return found


def inner(type_: object) -> tuple[type, bool] | None:
    """The Struct of a section, and whether it is a list of them."""
    told = msgspec.inspect.type_info(type_)
    match told:
        case msgspec.inspect.StructType(cls=cls):
            return cls, False
        case msgspec.inspect.VarTupleType(item_type=msgspec.inspect.StructType(cls=cls)):
            return cls, True
        case msgspec.inspect.VarTupleType(item_type=msgspec.inspect.UnionType(types=types)):
            structs = [one.cls for one in types if isinstance(one, msgspec.inspect.StructType)]
            return (structs[0], True) if structs and structs[0] is not tree.ListenTable else None
    return None


def written(field: msgspec.structs.FieldInfo) -> str:
    return words(msgspec.inspect.type_info(field.type))


def words(told: msgspec.inspect.Type) -> str:
    match told:
        case msgspec.inspect.Metadata(type=one):
            return words(one)
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f'"{one}"' for one in values)
        case (
            msgspec.inspect.IntType(ge=least, le=most)
            | msgspec.inspect.FloatType(ge=least, le=most)
        ):
            return f"{least} to {most}"
        case msgspec.inspect.StrType():
            return "text"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.VarTupleType(item_type=one):
            return f"list of {words(one)}"
        case msgspec.inspect.DictType(value_type=one):
            return f"table of {words(one)}"
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(
                words(one) for one in types if not isinstance(one, msgspec.inspect.NoneType)
            )
        case msgspec.inspect.StructType():
            return "table"
    raise AssertionError(told)


def default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    if field.default is None:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{json.dumps(msgspec.to_builtins(value))}`"


PAGES = {"commands.md": commands, "configuration.md": configuration, "edge.md": edge}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
