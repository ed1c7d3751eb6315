"""docs/sandbox.md, held against the sandbox."""

from pathlib import Path

from app.sandbox.control import control_router

DOCUMENT = (Path(__file__).parents[3] / "docs/sandbox.md").read_text(encoding="utf-8")


def test_every_call_that_steers_the_sandbox_is_described() -> None:
    missing = [route for route in control_router().routes if f"`{route.method} {route.template}" not in DOCUMENT]
    assert missing == []
