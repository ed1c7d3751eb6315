"""What is refused before it reaches a route is a problem with an id too: below HTTP, and before a browser's request."""

import json
from collections.abc import AsyncIterator

import pytest

from app.web.middleware import ACCEPTED_REQUEST_ID
from app.web.problems import MEDIA_TYPE, Problem
from app.web.protocol import MAX_HEAD
from app.web.security_headers import SECURITY_HEADERS
from tests.support.app import Host, RunningApp, running_app, settings_for
from tests.support.wire import exchange, request, served

ORIGIN = "https://app.example.com"
NOWHERE = "postgresql://postgres:made-up@127.0.0.1:1/x"
POST = b"POST /sessions HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
async def app(host: Host) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(NOWHERE, host=host, frontend_origins=(ORIGIN,))) as running:
        yield running


@pytest.fixture(scope="module")
async def port(app: RunningApp) -> AsyncIterator[int]:
    async with served(app) as listening:
        yield listening


@pytest.mark.threat(7)
@pytest.mark.threat(9)
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ([request(b"X-Long: " + b"a" * MAX_HEAD)], "The request's head is too large."),
        ([b"GET /" + b"a" * 40_000], "The request's head is too large."),
        ([request(b"Host: y")], "There is more than one Host."),
        ([request(b"Transfer-Encoding: gzip, chunked", line=POST)], "Only chunked is a transfer encoding here."),
        ([request(CHUNKED, line=POST, body=b"0\r\nA: b\r\n\r\n")], "Trailers are not taken."),
        (
            [request(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 2", line=POST, body=b"{}")],
            "Send no body with an Upgrade header. For Java: HttpClient.Version.HTTP_1_1.",
        ),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], "Invalid HTTP request received."),
    ],
    ids=["long header", "path without end", "two hosts", "odd encoding", "trailer", "upgrade with a body", "no HTTP"],
)
async def test_refusal_of_the_protocol_is_a_problem(port: int, sent: list[bytes], why: str) -> None:
    given = b"X-Request-ID: made-up\r\n"
    answer = await exchange(port, *(chunk.replace(b"Host: x\r\n", b"Host: x\r\n" + given) for chunk in sent))

    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
    assert status == b"HTTP/1.1 400 Bad Request"
    assert len(headers) == len(lines)
    assert headers.items() >= dict(SECURITY_HEADERS).items()
    assert (headers[b"content-type"], headers[b"connection"]) == (MEDIA_TYPE.encode(), b"close")
    assert int(headers[b"content-length"]) == len(body)
    assert b"date" in headers
    problem = Problem.model_validate_json(body)
    assert (problem.status, problem.code, problem.detail) == (400, "malformed_request", why)
    assert problem.type == "urn:kota-bff:problem:malformed_request"
    assert problem.title
    # What a request says that cannot be read is not taken over.
    assert problem.request_id == headers[b"x-request-id"].decode() != "made-up"
    assert ACCEPTED_REQUEST_ID.fullmatch(problem.request_id)


async def test_every_refusal_has_an_id_of_its_own(port: int) -> None:
    answers = [await exchange(port, request(b"Host: y")) for _ in range(2)]
    ids = {json.loads(answer.partition(b"\r\n\r\n")[2])["request_id"] for answer in answers}
    assert len(ids) == 2


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"Origin": "https://evil.example.com"}, "origin"),
        ({"Access-Control-Request-Method": "DELETE"}, "method"),
        ({"Access-Control-Request-Headers": "x-http-method-override"}, "headers"),
    ],
)
async def test_refused_preflight_is_a_problem(app: RunningApp, asked: dict[str, str], word: str) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "X-Request-ID": "r-1"} | asked
    answer = await app.http.options("/sessions", headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (400, MEDIA_TYPE)
    problem = Problem.model_validate(answer.json())
    assert (problem.status, problem.code, problem.request_id) == (400, "preflight_refused", "r-1")
    assert word in str(problem.detail)
    assert answer.headers["x-request-id"] == "r-1"
    assert "origin" in answer.headers["vary"].lower()
    assert ("access-control-allow-origin" in answer.headers) is (word != "origin")
