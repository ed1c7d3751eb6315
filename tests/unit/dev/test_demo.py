from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from app.auth.authenticators import open_frontend_tokens
from app.auth.frontend_tokens import FrontendUser
from app.dev.credentials import read_or_make_credentials
from app.dev.demo.application import create_demo_app
from app.dev.demo.host import sign_in
from app.dev.demo.people import COMPANIES, PEOPLE, company_record, person_record
from app.dev.demo.routes import STATIC, content_security_policy
from app.dev.environment import Addresses, demo_environment, service_environment, write_dev_env
from app.main import create_app
from app.settings import load_settings
from app.sync.schemas import EmployeeIn, EmployerIn

ADDRESSES = Addresses("postgresql+asyncpg://postgres:made-up@127.0.0.1:5433/postgres", port=8000, sandbox_port=8001)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What `kota-bff dev` starts its API with."""
    credentials = read_or_make_credentials(tmp_path / "credentials.json")
    service = service_environment(credentials, ADDRESSES)
    for name, value in (service | demo_environment(credentials, ADDRESSES)).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def status_of(app: object, path: str) -> int:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # httpx has its own type for the same thing.
    async with httpx.AsyncClient(transport=transport, base_url="http://bff.test") as http:
        return (await http.get(path)).status_code


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("path", ["/demo", "/demo/people", "/demo/assets/app.js"])
async def test_serve_has_no_demo_whatever_the_environment_says(path: str) -> None:
    assert await status_of(create_app(), path) == 404


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.iterdir()))
async def test_demo_serves_its_own_files(name: str) -> None:
    assert await status_of(create_demo_app(), f"/demo/assets/{name}") == 200


def test_demo_does_not_start_where_dev_did_not_start_it(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DEMO_SERVICE_KEY")
    with pytest.raises(KeyError):
        create_demo_app()


def test_further_processes_are_told_nothing_of_the_demo(tmp_path: Path) -> None:
    credentials = read_or_make_credentials(tmp_path / "credentials.json")
    path = tmp_path / "dev.env"
    write_dev_env(
        path, service=service_environment(credentials, ADDRESSES), credentials=credentials, addresses=ADDRESSES
    )
    assert "DEMO" not in path.read_text()


@pytest.mark.usefixtures("environment")
async def test_people_sign_in_as_themselves() -> None:
    settings = load_settings()
    async with AsyncExitStack() as stack:
        tokens = await open_frontend_tokens(stack, settings)
        assert await tokens.verify(sign_in(settings, PEOPLE["demo-tom"], employer_ref=None)) == FrontendUser(
            subject="acme-hr:demo-tom",
            employer_ref="demo-juniper",
            employee_ref="demo-tom",
            audiences=frozenset({"employee"}),
            external_customer_id=None,
        )


def test_records_are_what_the_interface_takes() -> None:
    for company in COMPANIES:
        EmployerIn.model_validate(company_record(company))
    for person in PEOPLE.values():
        EmployeeIn.model_validate(person_record(person))


@pytest.mark.usefixtures("environment")
def test_policy_of_the_page_lets_in_kotas_script_and_api_alone() -> None:
    assert content_security_policy(load_settings()) == (
        "default-src 'none'; script-src 'self' http://127.0.0.1:8001; connect-src 'self' http://127.0.0.1:8001; "
        "style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
