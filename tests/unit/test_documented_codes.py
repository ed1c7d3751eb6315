"""Documents name statuses and codes that the service answers with, and the guide names all of a session's."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.main
from app.auth.frontend_tokens import InvalidToken
from app.errors import AppError, KotaUnavailable, TooManyRequests, Unauthenticated, Unavailable

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "frontend.md"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

Code = tuple[int, str]


def _errors(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield kind
    for special in kind.__subclasses__():
        yield from _errors(special)


def _code(error: type[AppError]) -> Code:
    return error.status, error.code


def _named(text: str) -> Iterator[Code]:
    """A status before one code or more: 409 `rejected`, `offboarded` or `restricted`."""
    for status, codes in re.findall(r"\b([45]\d\d)\s((?:(?:,\s|\sor\s)?`[a-z_]+`)+)", text):
        for code in re.findall(r"`([a-z_]+)`", codes):
            yield int(status), code


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_code_that_a_document_names_is_answered_with_its_status(document: Path) -> None:
    assert app.main.ROUTERS  # Importing it is what defines all of them.
    assert set(_named(document.read_text(encoding="utf-8"))) <= {_code(error) for error in _errors()}


def test_guide_names_every_refusal_of_a_session() -> None:
    of_sessions = {error for error in _errors() if error.__module__.startswith("app.sessions.")}
    others = {InvalidToken, Unauthenticated, TooManyRequests, KotaUnavailable, Unavailable}
    table = GUIDE.read_text(encoding="utf-8").partition("### What a refusal means")[2].partition("\n## ")[0]

    assert set(_named(table)) == {_code(error) for error in of_sessions | others}
