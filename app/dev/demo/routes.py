"""The demo's page and what it asks of its own backend. In a real host all of this stands behind a login."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict

from app.dev.demo.host import DemoHost, sign_in
from app.dev.demo.people import COMPANIES, PEOPLE, Person
from app.errors import NotFound
from app.settings import Settings
from app.web.dependencies import SettingsDep

STATIC = Path(__file__).with_name("static")
router = APIRouter(prefix="/demo", include_in_schema=False)


class SignIn(BaseModel):
    """Who sits before the browser, and for one of the demonstrations a wrong employer in their identity."""

    model_config = ConfigDict(extra="forbid")

    person: str
    employer: str | None = None


class SignedIn(BaseModel):
    token: str


class Ask(BaseModel):
    """Of whom Kota is to ask something."""

    model_config = ConfigDict(extra="forbid")

    person: str
    audience: Literal["employer", "employee"]


class Choice(BaseModel):
    """A person as the picker shows them."""

    ref: str
    name: str
    job: str
    audiences: tuple[str, ...]
    waiting: bool
    """Whether HR has still to send them to Kota."""


class CompanyChoice(BaseModel):
    ref: str
    name: str
    people: list[Choice]


def get_host(request: Request) -> DemoHost:
    host = request.app.state.demo_host
    if not isinstance(host, DemoHost):
        raise TypeError("the application was started without its demo host")
    return host


HostDep = Annotated[DemoHost, Depends(get_host)]


@router.get("")
async def page(settings: SettingsDep) -> Response:
    content = (STATIC / "index.html").read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": content_security_policy(settings), "Cache-Control": "no-store"}
    return HTMLResponse(content, headers=headers)


@router.get("/people")
async def list_people(host: HostDep) -> list[CompanyChoice]:
    await host.send_everybody()
    return [
        CompanyChoice(
            ref=company.ref,
            name=company.name,
            people=[await _choice(host, person) for person in PEOPLE.values() if person.company == company],
        )
        for company in COMPANIES
    ]


@router.post("/sign-in")
async def sign_in_as(body: SignIn, host: HostDep, settings: SettingsDep, response: Response) -> SignedIn:
    await host.send_everybody()
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(token=sign_in(settings, _person(body.person), employer_ref=body.employer))


@router.post("/people/{ref}/hire", status_code=204)
async def hire(ref: str, host: HostDep) -> None:
    await host.hire(_person(ref))


@router.post("/asks", status_code=204)
async def ask(body: Ask, host: HostDep) -> None:
    await host.let_kota_ask(_person(body.person), audience=body.audience)


def content_security_policy(settings: Settings) -> str:
    """Nothing but this page's own files, Kota's script, and the API that this script calls."""
    script, api = _origin(settings.script_url), _origin(settings.kota_api_url)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {script}",
            f"connect-src 'self' {api}",
            "style-src 'self'",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _person(ref: str) -> Person:
    if ref not in PEOPLE:
        raise NotFound("There is nobody of this name here.")
    return PEOPLE[ref]


async def _choice(host: DemoHost, person: Person) -> Choice:
    return Choice(
        ref=person.ref,
        name=person.name,
        job=person.job,
        audiences=person.audiences,
        waiting=person.new and not await host.is_sent(person),
    )
