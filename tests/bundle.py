"""CommonJS packages of tests/web/node_modules as one script for a page. It knows as much of the format as these packages use."""

import json
import re
from pathlib import Path

WEB = Path(__file__).parent / "web"
PACKAGES = WEB / "node_modules"
REQUIRED = re.compile(r"""\brequire\(\s*['"]([^'"]+)['"]\s*\)""")
LOADER = """(() => {
const modules = { %s };
const loaded = {};
function load(name) {
  if (!(name in loaded)) {
    const module = (loaded[name] = { exports: {} });
    const [run, names] = modules[name];
    run.call(module.exports, module, module.exports, (wanted) => load(names[wanted]));
  }
  return loaded[name].exports;
}
globalThis.process ??= { env: {} };
globalThis[%s] = load(%s);
})();
"""


def bundle(package: str, name: str) -> str:
    """A script that sets the global `name` to what the package exports. Raises FileNotFoundError."""
    start = entry(PACKAGES / package)
    found: dict[Path, str] = {}
    _add(start, found)
    return LOADER % (",\n".join(found.values()), json.dumps(name), json.dumps(str(start)))


def _add(file: Path, found: dict[Path, str]) -> None:
    text = file.read_text()
    found[file] = ""  # holds its place: modules may require each other
    names: dict[str, str] = {}
    if file.suffix == ".json":
        text = f"module.exports = {text}"
    else:
        for wanted in REQUIRED.findall(text):
            target = _resolved(file, wanted)
            names[wanted] = str(target)
            if target not in found:
                _add(target, found)
    function = f"function (module, exports, require) {{\n{text}\n}}"
    found[file] = f"{json.dumps(str(file))}: [{function}, {json.dumps(names)}]"


def _resolved(file: Path, wanted: str) -> Path:
    if not wanted.startswith("."):
        return entry(PACKAGES / wanted)
    return _file((file.parent / wanted).resolve())


def entry(package: Path) -> Path:
    about = json.loads((package / "package.json").read_text())
    inside = about.get("browser")
    return _file((package / (inside if isinstance(inside, str) else about["main"])).resolve())


def _file(path: Path) -> Path:
    for found in (path, path.with_name(path.name + ".js"), path / "index.js"):
        if found.is_file():
            return found
    raise FileNotFoundError(path)
