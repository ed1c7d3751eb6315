"""What faces the internet, and what browsers may do with it."""

from collections.abc import AsyncIterator

import pytest

from app.auth.doors import doors_of
from app.main import ROUTERS
from tests.support.app import Host, RunningApp, running_app, settings_for

ORIGIN = "https://app.example.com"
NOWHERE = "postgresql://postgres:made-up@127.0.0.1:1/x"


@pytest.mark.threat(19)
@pytest.mark.parametrize("only", ["public", "internal"])
async def test_half_of_the_doors_do_not_exist(host: Host, only: str) -> None:
    async with running_app(settings_for(NOWHERE, host=host, serve_only=only)) as app:
        paths = set(app.app.openapi()["paths"])
        every = {door.path for door in doors_of(ROUTERS)}
        both = {"/health/live", "/health/ready", "/metrics"}
        assert paths == both | {path for path in every - both if path.startswith("/internal") is (only == "internal")}
        hidden = "/sessions" if only == "internal" else "/internal/sessions"
        headers = host.bearer() | {"Content-Type": "application/json"}
        assert (await app.http.post(hidden, content=b"{}", headers=headers)).status_code == 404
        delivered = await app.http.post("/webhooks/kota")
        assert delivered.status_code == (404 if only == "internal" else 401)
        shown = "/sessions" if only == "public" else "/internal/sessions"
        assert (await app.http.post(shown)).status_code == 401


@pytest.mark.threat(19)
@pytest.mark.parametrize("only", ["public", "internal"])
async def test_numbers_of_both_halves_are_for_a_key_with_the_scope(host: Host, only: str) -> None:
    async with running_app(settings_for(NOWHERE, host=host, serve_only=only)) as app:
        for headers in ({}, host.bearer()):
            assert (await app.http.get("/metrics", headers=headers)).status_code == 401
        answer = await app.http.get("/metrics", headers=host.service)
        assert answer.status_code == 200
        assert "kota_bff_http_requests_total" in answer.text


@pytest.mark.parametrize(("enabled", "status"), [(False, 404), (True, 200)])
async def test_docs_pages_are_off_unless_asked_for(host: Host, enabled: bool, status: int) -> None:
    async with running_app(settings_for(NOWHERE, host=host, docs_enabled=enabled)) as app:
        assert (await app.http.get("/docs")).status_code == status
        assert (await app.http.get("/redoc")).status_code == 404


@pytest.fixture(scope="module")
async def app(host: Host) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(NOWHERE, host=host, frontend_origins=(ORIGIN,))) as running:
        yield running


@pytest.mark.threat(12)
async def test_configured_origin_may_ask_and_read_when_to_come_back(app: RunningApp) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    wanted = asked | {"Access-Control-Request-Headers": "authorization,content-type,x-request-id"}
    preflight = await app.http.options("/sessions", headers=wanted)
    answer = await app.http.post("/sessions", headers={"Origin": ORIGIN})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert {name.strip() for name in exposed.split(",")} == {"retry-after", "x-request-id"}
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.test",
        "https://evil-app.example.com",
        "https://app.example.com/",
        "https://APP.example.com",
        "https://sub.app.example.com",
        "https://app.example.com.",
        "https://app.example.com@evil.test",
        "https://app.example.com%60.evil.test",
        "https://app.example.com, https://evil.test",
        "https://app.example.com https://evil.test",
        "https://app_example.com",
        "https://appxexample.com",
        "HTTPS://app.example.com",
        "https://app.example.com:443",
        "https://localhost",
        "file://",
        "chrome-extension://app.example.com",
        "null",
        "*",
        "",
    ],
)
async def test_no_other_origin_may(app: RunningApp, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for answer in (
        await app.http.options("/sessions", headers=asked),
        await app.http.post("/sessions", headers={"Origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
        assert not answer.is_success


@pytest.mark.threat(12)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
async def test_browsers_may_get_and_post_only(app: RunningApp, method: str) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
    assert (await app.http.options("/internal/employers/a", headers=asked)).status_code == 400


@pytest.mark.threat(12)
@pytest.mark.parametrize("path", ["/health/live", "/sessions", "/nowhere", "/openapi.json"])
async def test_every_answer_has_the_security_headers(app: RunningApp, path: str) -> None:
    headers = (await app.http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
