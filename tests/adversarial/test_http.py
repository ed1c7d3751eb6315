"""Bytes on the wire that a proxy and this server might read differently; over a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.app import Host, RunningApp
from tests.support.wire import exchange, request, served

POST = b"POST /sessions HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
HIDDEN = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Whose answer nobody could mistake; if it comes, the request was split in two."""


@pytest.fixture(scope="module")
async def port(shared_app: RunningApp) -> AsyncIterator[int]:
    async with served(shared_app) as port:
        yield port


def kept_open(*headers: bytes, line: bytes = POST, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: x", *headers, b"", body])


SPLIT = {
    "CL.TE": kept_open(b"Content-Length: %d" % (5 + len(HIDDEN)), CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    "TE.CL": kept_open(CHUNKED, b"Content-Length: 4", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    "TE.TE, the second unknown": kept_open(CHUNKED, b"Transfer-Encoding: x", body=b"0\r\n\r\n" + HIDDEN),
    "TE.TE, the first unknown": kept_open(b"Transfer-Encoding: x", CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    "chunked twice": kept_open(CHUNKED, CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    "chunked, then identity": kept_open(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN),
    "identity and a length": kept_open(b"Transfer-Encoding: identity", b"Content-Length: 0", body=HIDDEN),
    "vertical tab before chunked": kept_open(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + HIDDEN),
    "form feed after chunked": kept_open(b"Transfer-Encoding: chunked\x0c", body=b"0\r\n\r\n" + HIDDEN),
    "quoted chunked": kept_open(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n" + HIDDEN),
    "space before the colon": kept_open(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN),
    "NUL in the name": kept_open(b"Transfer\x00-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "folded chunked": kept_open(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n" + HIDDEN),
    "header behind a bare line feed": kept_open(b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "header behind a bare return": kept_open(b"X: y\rTransfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": kept_open(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
    "two equal lengths": kept_open(b"Content-Length: 0", b"Content-Length: 0", body=HIDDEN),
    "lengths in a list": kept_open(b"Content-Length: 0, 0", body=HIDDEN),
    "signed length": kept_open(b"Content-Length: +0", body=HIDDEN),
    "negative length": kept_open(b"Content-Length: -1", body=HIDDEN),
    "length in hexadecimal": kept_open(b"Content-Length: 0x0", body=HIDDEN),
    "length with a point": kept_open(b"Content-Length: 0.0", body=HIDDEN),
    "length of nothing": kept_open(b"Content-Length:", body=HIDDEN),
    "length beyond 64 bits": kept_open(b"Content-Length: 18446744073709551616", body=HIDDEN),
    "line feeds alone": kept_open(b"X: y").replace(b"\r\n", b"\n") + HIDDEN,
    "no line break after the head": kept_open(b"X: y")[:-2] + b"\n" + HIDDEN,
    "chunk size in 0x": kept_open(CHUNKED, body=b"0x0\r\n\r\n" + HIDDEN),
    "chunk size with a sign": kept_open(CHUNKED, body=b"+0\r\n\r\n" + HIDDEN),
    "chunk size with a space": kept_open(CHUNKED, body=b" 0\r\n\r\n" + HIDDEN),
    "chunk size with an underscore": kept_open(CHUNKED, body=b"0_0\r\n\r\n" + HIDDEN),
    "chunk size beyond 64 bits": kept_open(CHUNKED, body=b"10000000000000000\r\n\r\n" + HIDDEN),
    "chunk size and a line feed": kept_open(CHUNKED, body=b"0\n\r\n" + HIDDEN),
    "chunk extension and a line feed": kept_open(CHUNKED, body=b"0;a\n\r\n" + HIDDEN),
    "chunk extension and a return": kept_open(CHUNKED, body=b"0;a\rb\r\n\r\n" + HIDDEN),
    "chunk longer than its size": kept_open(CHUNKED, body=b"1\r\nxx\r\n0\r\n\r\n" + HIDDEN),
    "chunk without its line break": kept_open(CHUNKED, body=b"1\r\nx0\r\n\r\n" + HIDDEN),
    "trailer": kept_open(CHUNKED, body=b"0\r\nContent-Length: 9\r\n\r\n" + HIDDEN),
    "upgrade with a body": kept_open(
        b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN
    ),
    "upgrade with chunks": kept_open(
        b"Connection: Upgrade", b"Upgrade: h2c", CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
    ),
    "tunnel": kept_open(line=b"CONNECT 127.0.0.1:80 HTTP/1.1", body=HIDDEN),
    "HTTP/0.9": b"GET /health/live\r\n\r\n" + HIDDEN,
    "HTTP/2.0 by name": kept_open(line=b"GET /health/live HTTP/2.0", body=HIDDEN),
    "no version": b"GET /health/live HTTP\r\n\r\n" + HIDDEN,
    "version with more digits": kept_open(line=b"GET /health/live HTTP/1.10", body=HIDDEN),
    "request line after a space": b" " + kept_open() + HIDDEN,
    "header without a colon": kept_open(b"nothing") + HIDDEN,
    "header without a name": kept_open(b": nothing") + HIDDEN,
    "line break in the path": kept_open(line=b"GET /health/live\r\nX: y HTTP/1.1") + HIDDEN,
}


@pytest.mark.threat(9)
@pytest.mark.parametrize("sent", SPLIT.values(), ids=SPLIT)
async def test_request_is_not_split_in_two(port: int, sent: bytes) -> None:
    answer = await exchange(port, sent)
    assert b'"openapi"' not in answer
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
    assert b"HTTP/1.1 5" not in answer


@pytest.mark.threat(9)
@pytest.mark.parametrize(
    "sent",
    [
        kept_open(CHUNKED, body=b'2;name="v"\r\n{}\r\n0\r\n\r\n'),
        kept_open(b"Transfer-Encoding: CHUNKED", body=b"2\r\n{}\r\n0\r\n\r\n"),
        kept_open(b"Content-Length: 2", body=b"{}"),
        b"\r\n" + kept_open(b"Content-Length: 2", body=b"{}"),
        kept_open(b"Expect: 100-continue", b"Content-Length: 2", body=b"{}"),
    ],
    ids=["chunk extension", "chunked in capitals", "length", "line break before", "expectation"],
)
async def test_requests_that_mean_one_thing_are_answered_in_their_order(port: int, sent: bytes) -> None:
    answer = await exchange(port, sent + HIDDEN)
    assert answer.count(b"HTTP/1.1 401") == 1
    assert b'"openapi"' in answer
    assert answer.index(b"HTTP/1.1 401") < answer.index(b'"openapi"')


PATHS = {
    b"http://127.0.0.1/internal/audit": 401,
    b"http://evil.test/internal/audit": 401,
    b"//evil.test/internal/audit": 404,
    b"/internal%2Faudit": 401,
    b"/%69nternal/audit": 401,
    b"/internal%252faudit": 404,
    b"/internal/%2e/audit": 404,
    b"/health/%2e%2e/internal/audit": 404,
    b"/health/..%2finternal/audit": 404,
    b"/health/live/..;/internal/audit": 404,
    b"/health/live;/../../internal/audit": 404,
    b"/health/live%00/internal/audit": 404,
    b"/internal/audit/": 404,
    b"/internal/audit//": 404,
    b"/internal//audit": 404,
    b"/internal/audit;v=1": 404,
    b"/internal/audit.json": 404,
    b"/internal/audit%3f": 404,
    b"/internal/audit%23": 404,
    b"/internal/audit%0d%0aX:%20y": 404,
    b"/internal\\audit": 404,
    b"/Internal/Audit": 404,
    b"/internal/audit?x=/health/live": 401,
    b"/internal/audit#/health/live": 401,
    b"/health/live?/internal/audit": 200,
    b"/metrics%20": 404,
    b"/%6detrics": 401,
    b"/%e2%80%ae/internal/audit": 404,
    b"/%ff%fe": 404,
    b"/%": 404,
    b"/%zz": 404,
    b"/.git/config": 404,
    b"/..%2f..%2fetc%2fpasswd": 404,
    b"/%2e%2e/%2e%2e/etc/passwd": 404,
    b"/internal/employers/..%2faudit": 404,
    b"/internal/employers/%2e%2e": 401,
    b"/notifications/%2e%2e%2fme": 404,
}


@pytest.mark.threat(9)
@pytest.mark.parametrize(("path", "status"), PATHS.items(), ids=[path.decode() for path in PATHS])
async def test_path_opens_no_more_than_it_names(port: int, path: bytes, status: int) -> None:
    answer = await exchange(port, request(line=b"GET " + path + b" HTTP/1.1"))
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
    assert b"evil.test" not in answer
    assert b"\r\nx: y" not in answer.lower()


@pytest.mark.threat(9)
@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"X-Method-Override", b"X-HTTP-Method", b"_method"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_method_is_the_one_of_the_request_line(
    port: int, shared_app: RunningApp, host: Host, name: bytes, method: bytes
) -> None:
    credential = b"Authorization: " + host.service["Authorization"].encode()
    line = method + b" /internal/employees/nobody?_method=DELETE HTTP/1.1"
    answer = await exchange(port, request(credential, name + b": DELETE", b"Content-Length: 0", line=line))
    assert answer.startswith(b"HTTP/1.1 404" if method == b"GET" else b"HTTP/1.1 405")
    assert (await shared_app.http.get("/internal/audit", headers=host.service)).json()["items"] == []


@pytest.mark.threat(24)
@pytest.mark.parametrize("order", ["right first", "wrong first", "twice the same", "behind a comma", "folded"])
async def test_two_credentials_are_none(port: int, host: Host, order: str) -> None:
    right, wrong = host.service["Authorization"].encode(), b"Bearer x"
    headers = {
        "right first": [b"Authorization: " + right, b"Authorization: " + wrong],
        "wrong first": [b"Authorization: " + wrong, b"authorization: " + right],
        "twice the same": [b"Authorization: " + right, b"AUTHORIZATION: " + right],
        "behind a comma": [b"Authorization: " + wrong + b", " + right],
        "folded": [b"Authorization: Bearer\r\n " + right.removeprefix(b"Bearer ")],
    }[order]
    answer = await exchange(port, request(*headers, line=b"GET /internal/audit HTTP/1.1"))
    assert answer.startswith(b"HTTP/1.1 400" if order == "folded" else b"HTTP/1.1 401"), answer[:200]


@pytest.mark.threat(24)
@pytest.mark.parametrize("hosts", [[b"x", b"evil.test"], [b"x", b"x"], [b"", b"evil.test"]], ids=str)
async def test_two_hosts_are_refused(port: int, hosts: list[bytes]) -> None:
    lines = [b"GET /health/live HTTP/1.1", *(b"Host: " + host for host in hosts), b"Connection: close", b"", b""]
    assert (await exchange(port, b"\r\n".join(lines))).startswith(b"HTTP/1.1 400")


@pytest.mark.threat(24)
@pytest.mark.parametrize("name", [b"Host", b"X-Forwarded-Host", b"X-Forwarded-For", b"Forwarded", b"X-Original-URL"])
async def test_what_a_client_says_about_itself_is_in_no_answer(port: int, name: bytes) -> None:
    for path in (b"/internal/audit", b"/nowhere", b"/health/live"):
        lines = [b"GET " + path + b" HTTP/1.1", b"Connection: close", name + b": evil.test", b"", b""]
        answer = await exchange(port, b"\r\n".join(lines))
        assert b"evil.test" not in answer
        assert b"\r\nlocation:" not in answer.lower()


@pytest.mark.threat(24)
async def test_content_types_that_contradict_each_other_make_no_json(shared_app: RunningApp, host: Host) -> None:
    headers = [*host.bearer().items(), ("Content-Type", "text/plain"), ("Content-Type", "application/json")]
    answer = await shared_app.http.post("/sessions", content=b'{"audience": "employer"}', headers=headers)
    assert answer.status_code == 415


@pytest.mark.threat(23)
async def test_slow_clients_keep_nobody_waiting(port: int) -> None:
    """Each of them says next to nothing; who comes after them is answered all the same."""
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
    for number, (_, writer) in enumerate(slow):
        writer.write([b"G", b"POST /webhooks/kota HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"][number % 2])
    assert b'{"status":"ok"}' in await exchange(port, request())
    for _, writer in slow:
        writer.close()
