"""Acme HR's page in a real browser: what each person sees, does, and is told when something goes wrong."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Control, Opens
from tests.e2e.watched import Watched

pytestmark = pytest.mark.e2e

ASKED_OF_EMPLOYEE = "Information needed"
ASKED_OF_EMPLOYER = "Review your quote"


def open_embed(watched: Watched, whose: str) -> None:
    expect(watched.page.get_by_role("heading", name=f"Benefits of {whose}")).to_be_visible()


def test_picker_shows_people_of_two_companies(opens: Opens) -> None:
    demo = opens()

    expect(demo.page.get_by_role("heading", name="Who are you today?")).to_be_focused()
    expect(demo.page.get_by_role("region", name="Juniper Coffee").get_by_role("button")).to_have_count(4)
    expect(demo.page.get_by_role("region", name="Harbour Books").get_by_role("button")).to_have_count(1)
    demo.shoot("picker")


def test_employee_is_asked_by_kota_answers_in_the_embed_and_the_notification_closes(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Tom Abara")
    open_embed(demo, "Tom Abara")
    expect(demo.page.get_by_text("Nothing waits for you.")).to_be_visible()
    demo.shoot("employee")

    demo.button("Let Kota ask Tom Abara").click()
    asked = demo.todo(ASKED_OF_EMPLOYEE)
    expect(asked).to_be_visible()
    expect(asked).to_contain_text(re.compile(r"By \d+ \w+ \d{4}, in \d+ days"))
    demo.shoot("employee-asked")

    asked.get_by_role("button", name="Answer").click()
    demo.button("Complete").click()
    expect(asked).to_have_count(0)
    expect(demo.page.get_by_text("Nothing waits for you.")).to_be_visible()
    demo.shoot("employee-answered")


def test_hr_admin_is_asked_for_the_company_and_declines_in_the_embed(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Ivo Brandt")
    demo.page.get_by_role("radio", name="HR admin").check(force=True)
    open_embed(demo, "Harbour Books Ltd")
    demo.button("Let Kota ask Harbour Books").click()
    asked = demo.todo(ASKED_OF_EMPLOYER)
    expect(asked).to_contain_text("For the company")
    demo.shoot("employer-asked")

    asked.get_by_role("button", name="Answer").click()
    demo.button("Decline").click()
    expect(asked).to_have_count(0)


def test_answer_button_opens_the_embed_of_the_one_who_is_asked(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Nora Quill")
    demo.page.get_by_role("radio", name="HR admin").check(force=True)
    open_embed(demo, "Juniper Coffee Ltd")
    demo.button("Let Kota ask Juniper Coffee").click()
    demo.page.get_by_role("radio", name="Employee").check(force=True)
    open_embed(demo, "Nora Quill")

    demo.todo(ASKED_OF_EMPLOYER).get_by_role("button", name="Answer").click()
    open_embed(demo, "Juniper Coffee Ltd")
    demo.button("Complete").click()
    expect(demo.todo(ASKED_OF_EMPLOYER)).to_have_count(0)


def test_dismissed_notification_stays_away(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Lena Fisk")
    open_embed(demo, "Lena Fisk")
    demo.button("Let Kota ask Lena Fisk").click()
    asked = demo.todo(ASKED_OF_EMPLOYEE)
    asked.get_by_role("button", name="Dismiss").click()
    expect(asked).to_have_count(0)

    demo.page.reload()
    open_embed(demo, "Lena Fisk")
    expect(demo.page.get_by_role("list", name="Status at Kota")).to_contain_text("Active")
    expect(demo.todo(ASKED_OF_EMPLOYEE)).to_have_count(0)


def test_new_hire_waits_until_hr_sends_them_and_their_page_goes_on_by_itself(opens: Opens) -> None:
    hire = opens()
    hire.sign_in("Sam Okoro")
    expect(hire.page.get_by_text("Your benefits are being set up.")).to_be_visible()
    hire.shoot("not-ready")

    hr = opens()
    hr.sign_in("Nora Quill")
    hr.page.get_by_role("radio", name="HR admin").check(force=True)
    open_embed(hr, "Juniper Coffee Ltd")
    hr.shoot("employer")
    hr.button("Send Sam Okoro to Kota").click()
    expect(hr.button("Send Sam Okoro to Kota")).to_have_count(0)

    open_embed(hire, "Sam Okoro")


def test_person_whom_kota_still_processes_is_shown_so(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Lena Fisk")

    status = demo.page.get_by_role("list", name="Status at Kota").get_by_role("listitem").filter(has_text="You")
    expect(status).to_contain_text("Kota is still processing")
    demo.shoot("processing")


def test_hosted_link_opens_kotas_page_once(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Tom Abara")
    demo.button("Open on Kota's page").click()
    demo.page.wait_for_url("**/hosted/**")
    open_embed(demo, "Tom Abara")
    demo.shoot("hosted")

    demo.expect_complaints(r"console error: .* 410", r"answered 410: GET .*/hosted/")
    demo.page.reload()
    expect(demo.page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()


def test_session_that_ran_out_is_renewed_without_anybody_doing_anything(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Tom Abara")
    open_embed(demo, "Tom Abara")
    demo.expect_complaints(r"console error: .* 401", r"answered 401: GET .*/embed/session")
    demo.page.get_by_label("What if").select_option(label="the session token is no longer good")
    expect(demo.page.get_by_text("The session had run out and was renewed.")).to_be_visible()
    open_embed(demo, "Tom Abara")


@pytest.mark.parametrize(
    ("name", "what_if", "complaints"),
    [
        (
            "script",
            "Kota's script cannot be loaded",
            [r"console error: ", r"failed: .*missing", r"answered 404: .*missing"],
        ),
        ("embed", "Kota's page does not load", [r"console error: .* 401", r"answered 401: GET .*/embed/session"]),
    ],
)
def test_load_that_fails_is_told_plainly_and_can_be_tried_again(
    opens: Opens, name: str, what_if: str, complaints: list[str]
) -> None:
    demo = opens()
    demo.sign_in("Tom Abara")
    open_embed(demo, "Tom Abara")
    demo.expect_complaints(*complaints)
    demo.page.get_by_label("What if").select_option(label=what_if)
    expect(demo.page.get_by_text("Your benefits could not be loaded.")).to_be_visible()
    demo.shoot(f"failed-{name}")

    demo.page.get_by_label("What if").evaluate("choice => { choice.value = '' }")
    demo.button("Try again").click()
    open_embed(demo, "Tom Abara")


def test_outage_of_kota_is_told_plainly_and_can_be_tried_again(opens: Opens, control: Control) -> None:
    demo = opens()
    demo.sign_in("Tom Abara")
    open_embed(demo, "Tom Abara")
    control(
        "POST", "faults", {"method": "POST", "path": "/embed/sessions", "kind": "status", "status": 500, "times": 9}
    )
    demo.expect_complaints(r"console error: .* 503", r"answered 503: POST .*/sessions")
    demo.page.reload()
    expect(demo.page.get_by_text("Your benefits could not be loaded.")).to_be_visible()
    control("DELETE", "faults")

    demo.button("Try again").click()
    open_embed(demo, "Tom Abara")


def test_identity_that_names_another_company_is_refused(opens: Opens) -> None:
    demo = opens()
    demo.sign_in("Tom Abara")
    open_embed(demo, "Tom Abara")
    demo.expect_complaints(r"console error: .* 403", r"answered 403: POST .*/sessions")
    demo.page.get_by_label("What if").select_option(label="the identity names another company")
    expect(demo.page.get_by_text("These benefits are not yours to see.")).to_be_visible()
    expect(demo.page.get_by_role("heading", name="Benefits of")).to_have_count(0)
    demo.shoot("refused")
