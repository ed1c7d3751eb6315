"""Who may use which route, for all that there are: a new route is in these tests by existing."""

import re
import secrets
from pathlib import Path

import httpx
import pytest

from app.auth.doors import Door, doors_of, table_of
from app.auth.key_store import create_key
from app.auth.scopes import Scope
from app.main import ROUTERS
from tests.support.app import Host, RunningApp

DOORS = doors_of(ROUTERS)
PUBLIC = {"/health/live", "/health/ready"}
DOCUMENT = Path(__file__).parents[3] / "docs" / "doors.md"
guarded = pytest.mark.parametrize(
    "door", [door for door in DOORS if door.path not in PUBLIC], ids=lambda door: f"{door.method} {door.path}"
)
of_backends = pytest.mark.parametrize(
    "door", [door for door in DOORS if door.scope], ids=lambda door: f"{door.method} {door.path}"
)


@pytest.fixture
def app(shared_app: RunningApp) -> RunningApp:
    return shared_app


def address(door: Door) -> str:
    return re.sub(r"\{[^}]+\}", "a1", door.path)


def is_problem(answer: httpx.Response, status: int) -> bool:
    return answer.status_code == status and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.threat(6)
def test_list_has_every_route_of_the_application(app: RunningApp) -> None:
    described = {(path, method.upper()) for path, methods in app.app.openapi()["paths"].items() for method in methods}
    assert {(door.path, door.method) for door in DOORS} == described


@pytest.mark.threat(6)
def test_document_lists_every_route_as_it_is() -> None:
    assert table_of(DOORS) in DOCUMENT.read_text(), "renew it: kota-bff doors"


@pytest.mark.threat(6)
def test_only_health_is_for_anybody() -> None:
    assert {door.path for door in DOORS if door.principal == "anybody"} == PUBLIC


@pytest.mark.threat(6)
def test_internal_routes_take_a_service_key_and_no_others_do() -> None:
    for door in DOORS:
        assert (door.principal == "service key") is (door.path.startswith("/internal") or door.path == "/metrics"), door


@pytest.mark.threat(6)
@guarded
async def test_nobody_gets_in_without_a_credential(app: RunningApp, door: Door) -> None:
    answer = await app.http.request(door.method, address(door))
    assert is_problem(answer, 401), answer.text
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.threat(6)
@guarded
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Basic dGVzdHM6dGVzdHM="},
        {"Authorization": "Bearer " + "x" * 9000},
        {"Authorization": "Bearer kbff_" + "x" * 43},
        {"X-Forwarded-User": "admin", "X-Original-URL": "/health/live"},
    ],
    ids=["empty", "no key", "blank key", "two words", "basic", "huge", "unknown key", "proxy headers"],
)
async def test_nobody_gets_in_with_what_is_no_credential(app: RunningApp, door: Door, headers: dict[str, str]) -> None:
    assert is_problem(await app.http.request(door.method, address(door), headers=headers), 401)


@pytest.mark.threat(6)
@of_backends
async def test_person_does_not_pass_for_a_backend(app: RunningApp, host: Host, door: Door) -> None:
    answer = await app.http.request(door.method, address(door), headers=host.bearer())
    assert is_problem(answer, 401)


@pytest.mark.threat(6)
async def test_backend_does_not_pass_for_a_person(app: RunningApp, host: Host) -> None:
    for door in DOORS:
        if door.principal == "frontend token":
            assert is_problem(await app.http.request(door.method, address(door), headers=host.service), 401)


@pytest.mark.threat(5)
@pytest.mark.threat(6)
@of_backends
async def test_key_without_the_scope_is_forbidden_before_its_body_is_looked_at(app: RunningApp, door: Door) -> None:
    others = [scope for scope in Scope if scope.value != door.scope]
    async with app.app.state.services.sessions.begin() as session:
        name = f"all-but-{door.scope}-{secrets.token_hex(4)}"
        key = await create_key(session, name, scopes=others)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = await app.http.request(door.method, address(door), headers=headers, content=b"{no json")
    assert is_problem(answer, 403)
    assert answer.json()["code"] == "forbidden"


@pytest.mark.threat(7)
@pytest.mark.parametrize(
    "door",
    [door for door in DOORS if door.method in {"POST", "PUT"} and door.principal != "Kota's signature"],
    ids=lambda door: f"{door.method} {door.path}",
)
async def test_stranger_is_told_so_before_the_body_is_looked_at(app: RunningApp, door: Door) -> None:
    for content in (b"{no json", b"x" * 70_000_000):
        answer = await app.http.request(
            door.method, address(door), content=content, headers={"Content-Type": "text/plain"}
        )
        assert is_problem(answer, 401)


@pytest.mark.threat(9)
@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-http-method"])
async def test_method_cannot_be_overridden(app: RunningApp, host: Host, name: str) -> None:
    answer = await app.http.get("/internal/employers/nobody", headers={**host.service, name: "DELETE"})
    assert answer.status_code == 404
    assert (await app.http.get("/internal/audit", headers=host.service)).json()["items"] == []


@pytest.mark.threat(9)
@pytest.mark.parametrize(
    "path",
    [
        "/internal",
        "/INTERNAL/audit",
        "/internal/audit/",
        "//internal/audit",
        "/internal/./audit",
        "/health/../internal/audit",
        "/health/live/../../internal/audit",
        "/health/live%2f..%2f..%2finternal%2faudit",
        "/internal/audit;x=1",
        "/internal/audit%20",
        "/internal%2faudit",
        "/docs",
        "/redoc",
        "/.env",
        "/",
    ],
)
async def test_path_tricks_open_nothing(app: RunningApp, path: str) -> None:
    request = app.http.build_request("GET", "http://kota-bff.test/x")
    # httpx would tidy the path up.
    request.url = httpx.URL("http://kota-bff.test").copy_with(raw_path=path.encode())
    answer = await app.http.send(request)
    assert is_problem(answer, 401) or is_problem(answer, 404), (answer.status_code, answer.text)
