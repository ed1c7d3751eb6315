"""The README says what is so: every setting with its default, every metric, commands and documents that exist."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic.fields import FieldInfo
from typer.main import get_command

import app.ops.metrics
from app.cli import app as commands
from app.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def _default(field: FieldInfo) -> str:
    """As the README writes it."""
    value = field.default
    if field.is_required():
        return "required"
    if value in (None, ()):
        return "not set"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return next(f"{seconds // length} {unit}" for length, unit in UNITS if seconds % length == 0)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_every_setting_stands_in_the_readme_with_its_default() -> None:
    table = README.partition("## Settings")[2]
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| \S", table, re.MULTILINE)

    assert dict(rows) == {name.upper(): _default(field) for name, field in Settings.model_fields.items()}


def test_every_metric_stands_in_the_readme() -> None:
    assert app.ops.metrics.__doc__  # Importing it is what registers them.
    ours = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("kota_bff_")}

    assert {name for name in ours if name not in README} == set()


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs/adr").glob("*.md")])
def test_what_a_document_links_to_exists(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()

    assert [path.name for path in (ROOT / "docs/adr").glob("0*.md") if path.name not in index] == []


def test_the_readme_names_commands_that_exist() -> None:
    known = set(get_command(commands).commands)  # type: ignore[attr-defined]  # Typer types its groups as commands.
    named = set(re.findall(r"(?:`|bin/|--rm )kota-bff ([a-z-]+)", README))

    assert named
    assert named <= known


def test_the_readme_names_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))

    assert named <= targets
