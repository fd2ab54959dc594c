"""Where a mistake in edge.toml stands."""

from pathlib import Path

import pytest

from tandem.config import BadConfig
from tandem.edge.config import load
from tandem.edge.first import TOML
from tandem.edge.model.lines import line_of, lines_of

TEXT = '''\
# [edge] is no table here
edge.workers = 2
[[pool]]
name = "a # [no] comment"
members = [
  "10.0.0.1",
  { name = "fs2", address = "10.0.0.2:5060",
    capacity = { call = 5, tx = 1 } },
]
[pool.health]
good = ["200-299",
        "404"]
[[pool]]
name = """b
[[pool]]
"""
nested = [[1, 2], [3]]
"health".interval_ms = 5
[[pool.costs]]
take = { call = 1 }
[[pool.costs]]
take = { call = 2 }
'''


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("edge.workers", 2), ("pool[0]", 3), ("pool[0].name", 4), ("pool[0].members[0]", 6), ("pool[0].members[1].address", 7),
        ("pool[0].members[1].capacity.tx", 8), ("pool[0].health.good[1]", 12), ("pool[1].name", 14), ("pool[1].nested[1][0]", 17),
        ("pool[1].health.interval_ms", 18), ("pool[1].costs[1].take.call", 22),
        ("pool[1].costs[1].missing", 21), ("pool[0].members[1].missing.deeper", 7), ("nowhere.at.all", 0), ("", 0),
    ],
)  # fmt: skip
def test_every_field_has_its_line(field: str, line: int) -> None:
    assert line == line_of(TEXT, field)


def test_the_first_file_is_understood() -> None:
    known = lines_of(TOML)
    lines = TOML.splitlines()
    assert "name =" in lines[known["pool[0].name"] - 1]
    assert '"fs2"' in lines[known["pool[0].members[1].capacity"] - 1]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a=1", "a = []", "a = {}", 'a = "x"\n[b]', "[a]\n[[b.c]]"]
)
def test_whatever_is_toml_has_an_end(text: str) -> None:
    assert isinstance(lines_of(text), dict)


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    for wrong, right, why in [
        ("weight = 50 }", "wieght = 50 }", ":22: pool[0].members[0].wieght: there is no such setting; did you mean `weight`?"),
        ('"weighted" ', '"best" ', ":20: pool[0].algorithm: 'best': one of"),
        ("workers = 1 ", "workers = 0 ", ":6: edge.workers: 0: at least 1"),
        ('"127.0.0.1:8060"', '"localhost"', "http.listen"),
        ("id = 1 ", "id = = 1 ", "line 5"),
    ]:  # fmt: skip
        file.write_text(TOML.replace(wrong, right, 1))
        with pytest.raises(BadConfig) as refused:
            load(file)
        assert why in str(refused.value), str(refused.value)
