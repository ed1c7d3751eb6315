"""Every error is problem+json with an id, whoever raises it and wherever."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.errors import Conflict, FieldError
from app.kota import KotaServerError, KotaUnreachable
from app.web.dependencies import SessionDep
from app.web.routing import router as new_router
from tests.support.app import Host, RunningApp, running_app

UNEXPECTED = "kota_bff_unexpected_errors_total"
SECRET = "mary@example.com"


class Strange(Exception):
    pass


def faulty_routes() -> APIRouter:
    router = new_router(prefix="/faulty", tags=["tests"])

    @router.get("/unexpected")
    async def unexpected() -> None:
        raise Strange(SECRET)

    @router.get("/kota")
    async def kota() -> None:
        raise KotaServerError("GET /x", status=500, trace_id="trace-1", detail=SECRET)

    @router.get("/kota-away")
    async def kota_away() -> None:
        raise KotaUnreachable("GET /x", "ConnectError", may_have_happened=False)

    @router.get("/conflict")
    async def conflict() -> None:
        raise Conflict("Not now.", errors=[FieldError("/a", "is b")], kota_trace_id="t", extra={"more": "yes"})

    @router.get("/sql")
    async def sql(session: SessionDep) -> None:
        await session.execute(text("SELECT 'mary@example.com' FROM nowhere"))

    @router.post("/commit-fails", status_code=201)
    async def commit_fails(session: SessionDep) -> dict[str, str]:
        # A deferred constraint is checked by COMMIT.
        await session.execute(text("CREATE TEMP TABLE t (a int, UNIQUE (a) DEFERRABLE INITIALLY DEFERRED)"))
        await session.execute(text("INSERT INTO t VALUES (1), (1)"))
        return {"status": "stored"}

    return router


@pytest.fixture(scope="module")
async def app(shared_app: RunningApp) -> RunningApp:
    shared_app.app.include_router(faulty_routes())
    return shared_app


@pytest.fixture
async def origin_app(shared_app: RunningApp) -> AsyncIterator[RunningApp]:
    settings = shared_app.settings.model_copy(update={"frontend_origins": ("https://app.example.com",)})
    async with running_app(settings) as running:
        running.app.include_router(faulty_routes())
        yield running


def unexpected_count() -> float:
    return REGISTRY.get_sample_value(UNEXPECTED, {"where": "http"}) or 0.0


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == f"urn:kota-bff:problem:{code}"
    assert body["title"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert SECRET not in answer.text


@pytest.mark.threat(11)
async def test_fault_of_ours_is_500_counted_and_tells_nothing(app: RunningApp) -> None:
    before = unexpected_count()
    answer = await app.http.get("/faulty/unexpected")
    assert_problem(answer, 500, "internal_error")
    assert "Strange" not in answer.text
    assert unexpected_count() == before + 1


@pytest.mark.threat(11)
async def test_statement_that_the_database_refuses_is_a_fault_of_ours(app: RunningApp) -> None:
    before = unexpected_count()
    answer = await app.http.get("/faulty/sql")
    assert_problem(answer, 500, "internal_error")
    assert "SELECT" not in answer.text
    assert unexpected_count() == before + 1


async def test_commit_that_fails_is_not_answered_as_success(app: RunningApp) -> None:
    before = unexpected_count()
    assert_problem(await app.http.post("/faulty/commit-fails"), 500, "internal_error")
    assert unexpected_count() == before + 1


@pytest.mark.threat(11)
async def test_kota_in_trouble_is_503_with_its_trace_id_and_none_of_its_words(app: RunningApp) -> None:
    before = unexpected_count()
    answer = await app.http.get("/faulty/kota")
    assert_problem(answer, 503, "kota_unavailable")
    assert answer.json()["kota_trace_id"] == "trace-1"
    assert int(answer.headers["retry-after"]) > 0
    assert unexpected_count() == before


async def test_kota_out_of_reach_is_503(app: RunningApp) -> None:
    answer = await app.http.get("/faulty/kota-away")
    assert_problem(answer, 503, "kota_unavailable")
    assert "kota_trace_id" not in answer.json()


async def test_refusal_carries_what_it_was_given(app: RunningApp) -> None:
    answer = await app.http.get("/faulty/conflict")
    assert_problem(answer, 409, "conflict")
    body = answer.json()
    assert body["errors"] == [{"pointer": "/a", "message": "is b"}]
    assert (body["detail"], body["kota_trace_id"], body["more"]) == ("Not now.", "t", "yes")


async def test_browser_may_read_even_a_fault_of_ours(origin_app: RunningApp) -> None:
    answer = await origin_app.http.get("/faulty/unexpected", headers={"Origin": "https://app.example.com"})
    assert_problem(answer, 500, "internal_error")
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


async def test_unknown_path_is_404(app: RunningApp) -> None:
    assert_problem(await app.http.get("/nowhere"), 404, "not_found")


async def test_wrong_method_is_405_and_names_the_right_one(app: RunningApp) -> None:
    answer = await app.http.get("/sessions")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_wrong_method_is_told_every_method_of_the_path(app: RunningApp) -> None:
    answer = await app.http.patch("/internal/employees/emp-42")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "DELETE, GET, PUT"
    assert (await app.http.get("/internal/events/replay")).status_code == 401
    assert (await app.http.patch("/internal/events/replay")).headers["allow"] == "POST"


async def post(app: RunningApp, host: Host, content: bytes, kind: str = "application/json") -> httpx.Response:
    return await app.http.post("/sessions", content=content, headers=host.bearer() | {"Content-Type": kind})


@pytest.mark.threat(8)
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cut off"),
        (b"{'audience': 'employer'}", "single quotes"),
        (b'{"audience": "employer",}', "trailing comma"),
        (b'{"audience": NaN}', "not a number"),
        (b'{"audience": -Infinity}', "infinity"),
        (b'{"audience": "employer", "audience": "employee"}', "a key twice"),
        (b'{"x": {"a": 1, "a": 2}}', "a key twice, deeper"),
        (b'{"\\u0061udience": "employer", "audience": "employee"}', "a key twice, spelt differently"),
        (b'{"audience": "\\u0000"}', "NUL in a value"),
        (b'{"a\\u0000": 1}', "NUL in a key"),
        (b'{"audience": "\\ud800"}', "unpaired surrogate"),
        (b'{"audience": "\xff"}', "not UTF-8"),
        ('{"audience": "employer"}'.encode("utf-16"), "UTF-16"),
        (b'\xef\xbb\xbf{"audience": "employer"}', "byte order mark"),
        (b"[" * 33 + b"]" * 33, "33 levels"),
        (b"[" * 100_000, "as deep as it goes"),
        (b'{"a":' * 20_000, "deep objects"),
        (b"1" * 10_000, "a number of ten thousand digits"),
        (b'{"audience": "employer"} {}', "two documents"),
        (b"\x1f\x8b\x08\x00", "compressed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_body_with_no_one_meaning_is_400(app: RunningApp, host: Host, content: bytes, why: str) -> None:
    assert_problem(await post(app, host, content), 400, "malformed_request")
    assert why


@pytest.mark.threat(7)
async def test_compressed_body_is_not_unpacked(app: RunningApp, host: Host) -> None:
    headers = host.bearer() | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await app.http.post("/sessions", content=b"\x1f\x8b" + b"\x00" * 100, headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"],
)
async def test_other_content_type_is_415(app: RunningApp, host: Host, kind: str) -> None:
    assert_problem(await post(app, host, b'{"audience": "employer"}', kind), 415, "unsupported_media_type")


async def test_empty_body_is_422(app: RunningApp, host: Host) -> None:
    answer = await post(app, host, b"")
    assert_problem(answer, 422, "invalid_request")


@pytest.mark.threat(11)
async def test_fault_is_named_by_a_pointer_and_the_value_is_not_repeated(app: RunningApp, host: Host) -> None:
    answer = await post(app, host, b'{"audience": "mary@example.com", "a/b~c": 1}')
    assert_problem(answer, 422, "invalid_request")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/audience", "/a~1b~0c"}


@pytest.mark.threat(7)
@pytest.mark.parametrize("size", [256 * 1024 + 1, 5_000_000])
async def test_body_over_the_limit_is_413(app: RunningApp, host: Host, size: int) -> None:
    assert_problem(await post(app, host, b"[" + b" " * size + b"]"), 413, "too_large")


@pytest.mark.threat(7)
async def test_body_that_hides_its_length_is_counted(app: RunningApp, host: Host) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    headers = host.bearer() | {"Content-Type": "application/json"}
    answer = await app.http.post("/sessions", content=endless(), headers=headers)
    assert_problem(answer, 413, "too_large")


@pytest.mark.threat(9)
@pytest.mark.parametrize("length", ["-1", "1e9", "999999999999999999999999", "0x10"])
async def test_odd_content_length_is_no_fault_of_ours(app: RunningApp, host: Host, length: str) -> None:
    headers = host.bearer() | {"Content-Type": "application/json", "Content-Length": length}
    answer = await app.http.post("/sessions", content=b"[]", headers=headers)
    assert answer.status_code in {413, 422}


@pytest.mark.threat(8)
async def test_nul_in_an_address_is_422(app: RunningApp, host: Host) -> None:
    for path in ("/internal/audit?subject=a%00b", "/internal/employers/a%00b"):
        assert_problem(await app.http.get(path, headers=host.service), 422, "invalid_request")


@pytest.mark.parametrize(
    ("given", "taken"),
    [("abc-DEF_1", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a\tb", False), ("", False)],
)
async def test_request_id_is_taken_over_if_it_is_one(app: RunningApp, given: str, taken: bool) -> None:
    answer = await app.http.get("/health/live", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is taken
    assert answer.headers["x-request-id"]


async def test_every_documented_error_is_a_problem(app: RunningApp) -> None:
    document = (await app.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                where = (method, path, status)
                assert "X-Request-ID" in response["headers"], where
                if status[0] in "45" and path != "/health/ready":
                    assert set(response["content"]) == {"application/problem+json"}, where
                    content = response["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, where
                    assert content["example"]["status"] == int(status), where
                if status in {"429", "503"} and path != "/health/ready":
                    assert "Retry-After" in response["headers"], where
    assert "HTTPValidationError" not in document["components"]["schemas"]
