"""The table of threats in SECURITY.md and the cases that are marked with its rows say the same."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
ROW = re.compile(r"^\| (\d+) \| .+ \| .+ \| (.+) \|$", re.MULTILINE)
TABLE = {
    int(number): re.findall(r"`([^`]+)`", places) for number, places in ROW.findall((ROOT / "SECURITY.md").read_text())
}


def marked_in(tree: ast.Module) -> Iterator[int]:
    """Rows that a mark on a test, or on all tests of the file, names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from (row for decorator in node.decorator_list for row in rows_of(decorator))
        elif isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets):
            yield from rows_of(node.value)


def rows_of(node: ast.expr) -> Iterator[int]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.threat":
            yield from (ast.literal_eval(argument) for argument in call.args)


@pytest.fixture(scope="module")
def marked() -> dict[int, set[str]]:
    """By row, the files with a case of it, below `tests/`."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for row in marked_in(ast.parse(path.read_text())):
            found[row].add(path.relative_to(TESTS).as_posix())
    return found


def test_rows_are_numbered_without_a_gap() -> None:
    assert list(TABLE) == list(range(1, len(TABLE) + 1))
    assert len(TABLE) >= 20


def test_every_row_has_a_case_and_every_case_a_row(marked: dict[int, set[str]]) -> None:
    assert set(marked) == set(TABLE)


@pytest.mark.parametrize("row", TABLE)
def test_row_names_the_files_that_have_its_cases(marked: dict[int, set[str]], row: int) -> None:
    places = [place for place in TABLE[row] if not place.startswith("make ")]
    assert [place for place in places if not (TESTS / place).exists()] == []
    of_place = {place: {file for file in marked[row] if f"{file}/".startswith(f"{place}/")} for place in places}

    assert [place for place, files in of_place.items() if not files] == []
    assert marked[row] - set().union(*of_place.values()) == set()
