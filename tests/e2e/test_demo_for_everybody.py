"""Acme HR's page for those who use no mouse, a phone, or a screen reader."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import FOLDER, Opens
from tests.e2e.watched import Watched

pytestmark = pytest.mark.e2e

PHONE = {"width": 375, "height": 740}
ENOUGH = 60
"""Tab stops on the longest page, and some."""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as `make e2e` fetched it."""
    return Path(FOLDER, "node_modules", "axe-core", "axe.min.js").read_text(encoding="utf-8")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so, inside of shadow roots as well."""
    for _ in range(ENOUGH):
        page.keyboard.press("Tab")
        if name in focused(page):
            return
    raise AssertionError(f"Tab never reached {name}")


def focused(page: Page) -> str:
    return str(
        page.evaluate(
            """() => {
                let found = document.activeElement;
                while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
                if (found === document.body) return "";
                return found?.closest("label")?.textContent ?? found?.textContent ?? "";
            }"""
        )
    )


def grave_violations(watched: Watched, axe: str) -> list[tuple[str, str, list[Any]]]:
    """What axe-core calls serious or critical."""
    # Evaluated, not added as a script: the page's policy would rightly refuse that.
    watched.page.evaluate(axe)
    found: dict[str, Any] = watched.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe looked at nothing"
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the screen."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_whole_loop_works_by_keyboard(opens: Opens) -> None:
    demo = opens()
    expect(demo.page.get_by_role("heading", name="Who are you today?")).to_be_focused()
    tab_to(demo.page, "Ivo Brandt")
    demo.page.keyboard.press("Enter")
    expect(demo.page.get_by_role("heading", name="Benefits", exact=True)).to_be_focused()
    expect(demo.page.get_by_role("heading", name="Benefits of Harbour Books Ltd")).to_be_visible()

    tab_to(demo.page, "HR admin")
    demo.page.keyboard.press("ArrowLeft")
    expect(demo.page.get_by_role("heading", name="Benefits of Ivo Brandt")).to_be_visible()

    tab_to(demo.page, "Let Kota ask Ivo Brandt")
    demo.page.keyboard.press("Enter")
    asked = demo.todo("Information needed")
    expect(asked).to_be_visible()
    demo.page.get_by_role("heading", name="Benefits", exact=True).focus()
    tab_to(demo.page, "Answer")
    demo.shoot("keyboard-focus")
    demo.page.keyboard.press("Enter")
    expect(demo.button("Complete")).to_be_visible()
    tab_to(demo.page, "Complete")
    demo.page.keyboard.press("Space")
    expect(asked).to_have_count(0)

    tab_to(demo.page, "Switch person")
    demo.page.keyboard.press("Enter")
    expect(demo.page.get_by_role("heading", name="Who are you today?")).to_be_focused()


def test_nothing_is_wider_than_a_phone(opens: Opens) -> None:
    demo = opens(**PHONE)
    expect(demo.page.get_by_role("heading", name="Who are you today?")).to_be_visible()
    assert overflow(demo.page) == 0
    demo.shoot("phone-picker")
    demo.sign_in("Ivo Brandt")
    expect(demo.page.get_by_role("heading", name="Benefits of Harbour Books Ltd")).to_be_visible()
    demo.button("Let Kota ask Harbour Books").click()
    asked = demo.todo("Review your quote")
    expect(asked).to_be_visible()
    asked.get_by_role("button", name="Answer").click()
    expect(demo.button("Complete")).to_be_visible()
    demo.page.get_by_text("Requests of this page").click()
    assert overflow(demo.page) == 0
    demo.shoot("phone-employer")

    demo.button("Complete").click()
    expect(asked).to_have_count(0)
    demo.page.get_by_role("radio", name="Employee").check(force=True)
    expect(demo.page.get_by_role("heading", name="Benefits of Ivo Brandt")).to_be_visible()
    assert overflow(demo.page) == 0
    demo.shoot("phone-employee")


@pytest.mark.parametrize("width", [375, 1100])
def test_axe_finds_nothing_serious(opens: Opens, axe: str, width: int) -> None:
    demo = opens(width=width)
    expect(demo.page.get_by_role("heading", name="Who are you today?")).to_be_visible()
    assert grave_violations(demo, axe) == []

    demo.sign_in("Tom Abara")
    demo.button("Let Kota ask Tom Abara").click()
    asked = demo.todo("Information needed")
    asked.get_by_role("button", name="Answer").click()
    expect(demo.button("Complete")).to_be_visible()
    assert grave_violations(demo, axe) == []
    demo.button("Complete").click()
    expect(asked).to_have_count(0)

    demo.expect_complaints(r"console error: .* 403", r"answered 403: POST .*/sessions")
    demo.page.get_by_label("What if").select_option(label="the identity names another company")
    expect(demo.page.get_by_text("These benefits are not yours to see.")).to_be_visible()
    assert grave_violations(demo, axe) == []

    demo.button("Open on Kota's page").click()
    demo.page.wait_for_url("**/hosted/**")
    expect(demo.page.get_by_role("heading", name="Benefits of Tom Abara")).to_be_visible()
    assert grave_violations(demo, axe) == []
