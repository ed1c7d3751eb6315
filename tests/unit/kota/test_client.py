import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from app.kota import (
    Attempt,
    KotaNotFound,
    KotaServerError,
    KotaUnreachable,
    KotaUnreadable,
    RetryPolicy,
    Timeouts,
    open_client,
    serialise,
)
from app.kota.limiter import CallClass
from tests.unit.kota.kota_double import API_KEY, API_URL, FakeTime, Kota, client_of, ok, page, problem

EMPLOYEE = {
    "id": "ee_1",
    "employer_id": "er_1",
    "status": "pending",
    "first_name": "Test Mary",
    "offboard_on": "2026-03-31T00:00:00Z",
    "metadata": {"id": "host-42"},
}
EMPLOYER = {"id": "er_1", "status": "active", "legal_name": "Example Ltd"}
TRANSIENT = RetryPolicy(attempts=3, first=1.0)


async def test_a_create_sends_the_bytes_and_the_key_it_was_given() -> None:
    kota = Kota([ok(EMPLOYEE)])
    body = serialise({"last_name": "Exämple", "first_name": "Mary"})
    employee = await client_of(kota).create_employee(body, idempotency_key="a-key")
    assert kota.bodies == ['{"first_name":"Mary","last_name":"Exämple"}'.encode()]
    assert (kota.last.method, str(kota.last.url)) == ("POST", f"{API_URL}/employees")
    assert kota.last.headers["idempotency-key"] == "a-key"
    assert kota.last.headers["content-type"] == "application/json"
    assert kota.last.headers["authorization"] == f"Bearer {API_KEY}"
    assert (employee.id, employee.status, employee.metadata) == ("ee_1", "pending", {"id": "host-42"})


async def test_an_update_carries_no_idempotency_key() -> None:
    kota = Kota([ok(EMPLOYER)])
    await client_of(kota).update_employer("er_1", b"{}")
    assert (kota.last.method, kota.last.url.path) == ("PUT", "/employers/er_1")
    assert "idempotency-key" not in kota.last.headers


async def test_each_record_call_has_its_own_address() -> None:
    kota = Kota(lambda request: ok(EMPLOYEE if "employee" in request.url.path else EMPLOYER))
    client = client_of(kota)
    await client.create_employer(b"{}", idempotency_key="k")
    await client.get_employer("er_1")
    await client.offboard_employer("er_1", idempotency_key="k")
    await client.update_employee("ee_1", b"{}")
    await client.get_employee("ee_1")
    await client.offboard_employee("ee_1", b"{}", idempotency_key="k")
    await client.cancel_offboarding("ee_1", idempotency_key="k")
    assert [f"{request.method} {request.url.path}" for request in kota.requests] == [
        "POST /employers",
        "GET /employers/er_1",
        "POST /employers/er_1/offboard",
        "PUT /employees/ee_1",
        "GET /employees/ee_1",
        "POST /employees/ee_1/offboard",
        "POST /employees/ee_1/offboard/cancel",
    ]
    posts = [request for request in kota.requests if request.method == "POST"]
    assert all(request.headers["idempotency-key"] == "k" for request in posts)


@pytest.mark.threat(17)
@pytest.mark.parametrize("hostile", ["ee_1/offboard", "../employers", "a?x=1", "a#b", "a%2fb", "a b", "ü", "a/../.."])
async def test_a_hostile_id_stays_one_segment_of_the_path(hostile: str) -> None:
    kota = Kota([ok(EMPLOYEE)])
    await client_of(kota).get_employee(hostile)
    raw_path = kota.last.url.raw_path.decode()
    assert raw_path.startswith("/employees/")
    assert raw_path.count("/") == 2
    assert not {"?", "#"} & set(raw_path)


@pytest.mark.threat(17)
@pytest.mark.parametrize("impossible", ["", ".", "..", "a\0b", "a\nb", "x" * 256, "\ud800"])
async def test_an_id_that_can_name_nothing_is_not_found_without_a_call(impossible: str) -> None:
    kota = Kota([ok(EMPLOYEE)])
    with pytest.raises(KotaNotFound):
        await client_of(kota).get_employee(impossible)
    assert not kota.requests


async def test_an_oddity_in_a_field_does_not_make_a_success_unreadable() -> None:
    odd = {**EMPLOYEE, "status": {"new": 1}, "offboard_on": "soon", "home_address": "here", "metadata": [], "more": 1}
    employee = await client_of(Kota([ok(odd)])).get_employee("ee_1")
    assert (employee.status, employee.offboard_on, employee.home_address, employee.metadata) == (None,) * 4


@pytest.mark.parametrize("content", [{}, {"id": ""}, {"id": None}, {"id": "a\0"}, [], "x", None])
async def test_an_answer_without_an_id_is_unreadable(content: object) -> None:
    with pytest.raises(KotaUnreadable) as unreadable:
        await client_of(Kota([ok(content)])).create_employee(b"{}", idempotency_key="k")
    assert unreadable.value.may_have_happened


async def test_an_offboarding_date_keeps_its_day() -> None:
    late = {**EMPLOYEE, "offboard_on": "2026-03-31T23:30:00-11:00"}
    employee = await client_of(Kota([ok(late)])).get_employee("ee_1")
    assert str(employee.offboard_on) == "2026-03-31"


async def test_personal_data_is_in_no_repr() -> None:
    employee = await client_of(Kota([ok({**EMPLOYEE, "home_address": {"line1": "1 Example Street"}})])).get_employee(
        "x"
    )
    assert repr(employee) == str(employee) == "Employee(id='ee_1', employer_id='er_1', status='pending')"
    assert "Example" not in repr(employee.home_address)


async def test_a_list_is_read_to_its_end_and_shows_each_item_once() -> None:
    first = page([{"id": "ee_3"}, {"id": "ee_2"}], more=True, total=3)
    kota = Kota([first, page([{"id": "ee_2"}, {"id": "ee_1"}], total=4, number=2)])
    listed = client_of(kota).list_employees(employer_id="er_1", metadata_id="m & n")
    assert [employee.id async for employee in listed] == ["ee_3", "ee_2", "ee_1"]
    assert dict(kota.last.url.params) == {
        "employer_id": "er_1",
        "metadata_id": "m & n",
        "page": "2",
        "page_size": "100",
    }


async def test_employers_are_listed_without_filters() -> None:
    kota = Kota([page([EMPLOYER])])
    assert [employer.id async for employer in client_of(kota).list_employers()] == ["er_1"]
    assert dict(kota.last.url.params) == {"page": "1", "page_size": "100"}


async def test_any_resource_can_be_read_with_exact_amounts() -> None:
    kota = Kota([httpx.Response(200, content=b'{"amount": 0.1000000000000000055}')])
    answer = await client_of(kota).get("/policies/{policy_id}", {"policy_id": "p_1"}, {"x": "y"})
    assert str(answer["amount"]) == "0.1000000000000000055"
    assert str(kota.last.url) == f"{API_URL}/policies/p_1?x=y"


@pytest.mark.parametrize("answer", [None, [], "ok", 1])
async def test_answer_that_is_no_object_is_no_resource(answer: object) -> None:
    with pytest.raises(KotaUnreadable):
        await client_of(Kota([ok(answer)])).get("/policies/{policy_id}", {"policy_id": "p_1"})


async def test_any_list_can_be_read() -> None:
    kota = Kota([page([{"id": "ee_1"}, {"id": "ee_1"}])])
    listed = client_of(kota).get_all("/groups/{group_id}/employees", {"group_id": "gr_1"}, {"employee_id": "ee_1"})
    assert [item async for item in listed] == [{"id": "ee_1"}]
    assert kota.last.url.params["employee_id"] == "ee_1"


async def test_a_read_is_repeated_with_growing_waits() -> None:
    time = FakeTime()
    kota = Kota([httpx.ConnectError("down"), problem(502), ok(EMPLOYEE)])
    employee = await client_of(kota, time=time, read_retry=TRANSIENT).get_employee("ee_1")
    assert employee.id == "ee_1"
    assert time.slept == [0.75, 1.5]


async def test_a_read_gives_up_after_its_attempts() -> None:
    kota = Kota([httpx.ReadError("reset")])
    with pytest.raises(KotaUnreachable):
        await client_of(kota, read_retry=TRANSIENT).get_employee("ee_1")
    assert len(kota.requests) == 3


async def test_a_client_that_asks_once_repeats_nothing_and_shares_the_slots_of_the_first() -> None:
    kota = Kota([problem(502), problem(502), ok(EMPLOYEE)])
    client = client_of(kota, read_retry=TRANSIENT)
    once = client.once()
    with pytest.raises(KotaServerError):
        await once.get_employee("ee_1")
    assert len(kota.requests) == 1
    assert once.limiter is client.limiter
    assert (await client.get_employee("ee_1")).id == "ee_1"


async def test_a_write_is_never_repeated() -> None:
    kota = Kota([problem(500)])
    with pytest.raises(Exception, match="status=500"):
        await client_of(kota, read_retry=TRANSIENT).create_employer(b"{}", idempotency_key="k")
    assert len(kota.requests) == 1


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        (httpx.ConnectError("x"), False),
        (httpx.ConnectTimeout("x"), False),
        (httpx.PoolTimeout("x"), False),
        (httpx.ReadTimeout("x"), True),
        (httpx.WriteError("x"), True),
        (httpx.RemoteProtocolError("x"), True),
    ],
)
async def test_what_was_never_sent_cannot_have_happened(fault: Exception, happened: bool) -> None:
    with pytest.raises(KotaUnreachable) as unreachable:
        await client_of(Kota([fault])).create_employer(b"{}", idempotency_key="k")
    assert unreachable.value.may_have_happened is happened
    assert unreachable.value.operation == "POST /employers"


class Drip(httpx.AsyncByteStream):
    """A body that never ends, and counts what was taken of it."""

    def __init__(self, chunk: bytes) -> None:
        self.chunk = chunk
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 1
            await asyncio.sleep(0)
            yield self.chunk

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.threat(17)
async def test_an_answer_that_trickles_for_ever_is_cut_off_by_the_clock() -> None:
    drip = Drip(b"")
    client = client_of(Kota(lambda _: httpx.Response(200, stream=drip)), timeouts=Timeouts(write=0.02))
    with pytest.raises(KotaUnreachable, match=r"no answer in 0\.02 s") as unreachable:
        await client.create_employer(b"{}", idempotency_key="k")
    assert unreachable.value.may_have_happened
    assert drip.closed


@pytest.mark.threat(17)
async def test_an_answer_that_is_too_large_is_cut_off_by_its_size() -> None:
    drip = Drip(b"x" * 100)
    client = client_of(Kota(lambda _: httpx.Response(200, stream=drip)), max_response_bytes=1000)
    with pytest.raises(KotaUnreadable, match="too large"):
        await client.create_employer(b"{}", idempotency_key="k")
    assert drip.taken == 11
    assert drip.closed


@pytest.mark.threat(17)
async def test_a_compressed_answer_is_bounded_by_what_it_unpacks_to() -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    kota = Kota(lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, content=bomb))
    with pytest.raises(KotaUnreadable, match="too large"):
        await client_of(kota).create_employer(b"{}", idempotency_key="k")


class Lie(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"not gzip"


async def test_an_answer_that_cannot_be_unpacked_is_unreadable() -> None:
    kota = Kota(lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Lie()))
    with pytest.raises(KotaUnreadable, match="decompressed"):
        await client_of(kota).create_employer(b"{}", idempotency_key="k")


async def test_cancelling_a_call_cancels_it() -> None:
    drip = Drip(b"")
    client = client_of(Kota(lambda _: httpx.Response(200, stream=drip)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.create_employer(b"{}", idempotency_key="k"), 0.02)


async def test_calls_are_told_to_whoever_watches() -> None:
    attempts: list[Attempt] = []
    kota = Kota([problem(503), ok(EMPLOYEE)])
    await client_of(kota, observe=attempts.append).get_employee("ee_1")
    assert [(attempt.operation, attempt.seconds) for attempt in attempts] == [("GET /employees/{employee_id}", 0.0)] * 2
    assert [type(attempt.error).__name__ for attempt in attempts] == ["KotaServerError", "NoneType"]


@pytest.mark.threat(17)
async def test_a_redirect_is_not_followed() -> None:
    kota = Kota([httpx.Response(307, headers={"location": "https://elsewhere.example/"})])
    with pytest.raises(KotaUnreadable, match="status=307"):
        await client_of(kota).create_employee(b"{}", idempotency_key="k")
    assert len(kota.requests) == 1


@pytest.mark.threat(17)
async def test_an_opened_client_calls_with_the_key_and_ignores_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    kota = Kota([ok(EMPLOYER)])
    transport = httpx.MockTransport(kota.handle)
    async with open_client(api_url=f"{API_URL}/base/", api_key=API_KEY, max_in_flight=7, transport=transport) as client:
        await client.get_employer("er_1")
        assert client.limiter.allowed(CallClass.PUSH) == 7
    assert str(kota.last.url) == f"{API_URL}/base/employers/er_1"
    assert kota.last.headers["authorization"] == f"Bearer {API_KEY}"
    with pytest.raises(RuntimeError, match="closed"):
        await client.get_employer("er_1")


@pytest.mark.parametrize("key", ["", "pk\n", "pk ", "pk_ü"])
def test_a_key_that_cannot_be_sent_is_refused_unquoted(key: str) -> None:
    with pytest.raises(ValueError, match="characters that no key has"):
        open_client(api_url=API_URL, api_key=key)


async def test_session_tokens_are_fetched_with_a_new_key_each() -> None:
    kota = Kota([ok({"token": "made-up-token", "expiry": "2026-03-02T10:15:00+01:00"})])
    client = client_of(kota)
    session = await client.create_embed_session("er_1", external_customer_id="c_1")
    assert kota.last_body == {"employer_id": "er_1", "external_customer_id": "c_1"}
    await client.create_embed_session("er_1", employee_id="ee_1")
    assert kota.last_body == {"employer_id": "er_1", "employee_id": "ee_1"}
    assert session.token.get_secret_value() == "made-up-token"
    assert session.expiry.isoformat() == "2026-03-02T09:15:00+00:00"
    assert "made-up" not in repr(session)
    assert len({UUID(request.headers["idempotency-key"]) for request in kota.requests}) == 2


async def test_a_hosted_link_is_for_an_employee() -> None:
    kota = Kota([ok({"link": "https://hosted.example/x", "expiry": "2026-03-02T09:15:00Z"})])
    session = await client_of(kota).create_hosted_session("er_1", employee_id="ee_1")
    assert kota.last.url.path == "/hosted/sessions"
    assert session.link.get_secret_value() == "https://hosted.example/x"


@pytest.mark.parametrize("content", [{"token": "", "expiry": "2026-03-02T09:15:00Z"}, {"token": "x", "expiry": "soon"}])
async def test_a_session_without_token_or_end_is_unreadable_and_quotes_nothing(content: dict[str, str]) -> None:
    with pytest.raises(KotaUnreadable) as unreadable:
        await client_of(Kota([ok(content)])).create_embed_session("er_1")
    assert "soon" not in str(unreadable.value)
    assert unreadable.value.__context__ is None


async def test_a_session_is_tried_twice_with_another_key() -> None:
    kota = Kota([problem(500), ok({"token": "made-up", "expiry": "2026-03-02T09:15:00Z"})])
    await client_of(kota).create_embed_session("er_1")
    first, second = (request.headers["idempotency-key"] for request in kota.requests)
    assert first != second


async def test_a_session_is_not_tried_again_when_time_is_short() -> None:
    time = FakeTime()

    def slow(_: httpx.Request) -> httpx.Response:
        time.now += 5.5
        return problem(500)

    kota = Kota(slow)
    with pytest.raises(Exception, match="status=500"):
        await client_of(kota, time=time).create_embed_session("er_1", within=7.0)
    assert len(kota.requests) == 1


async def test_a_refused_session_is_not_tried_again() -> None:
    kota = Kota([problem(404)])
    with pytest.raises(KotaNotFound):
        await client_of(kota).create_embed_session("er_1")
    assert len(kota.requests) == 1


def test_equal_content_has_equal_bytes() -> None:
    assert serialise({"b": 1, "a": {"d": None, "c": "ü"}}) == serialise({"a": {"c": "ü", "d": None}, "b": 1})
    assert json.loads(serialise({"a": "ü"})) == {"a": "ü"}


def test_what_json_does_not_have_is_not_sent() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        serialise({"a": float("nan")})
