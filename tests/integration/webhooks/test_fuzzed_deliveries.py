"""Whatever arrives, the answer is one of the design's, and nothing unproven is stored.

FUZZ_CASES is how many deliveries are tried; `make soak` tries many more than a usual run.
"""

import json
import os
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.kota import SIGNATURE_HEADER, sign
from app.models import KotaEvent
from tests.integration.application import WEBHOOK_SECRETS, Application

CASES = int(os.environ.get("FUZZ_CASES", "100"))
SECRET = WEBHOOK_SECRETS[0].encode()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
events = st.fixed_dictionaries(
    {"id": st.text(max_size=300) | json_values, "type": st.text(max_size=300) | json_values},
    optional=dict.fromkeys(("data", "version", "api_version", "created_at", "created", "platform_id"), json_values),
)
bodies = st.binary(max_size=400) | json_values.map(json.dumps).map(str.encode) | events.map(json.dumps).map(str.encode)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120)
timestamps = st.integers(-(10**18), 10**18).map(str) | printable
signatures = (
    printable
    | st.builds("t={},v1={}".format, timestamps, st.binary(min_size=32, max_size=32).map(bytes.hex) | printable)
    | st.builds("sha256={}".format, st.binary(min_size=32, max_size=32).map(bytes.hex))
)


quick = settings(
    max_examples=CASES,
    deadline=None,
    derandomize="FUZZ_CASES" not in os.environ,
    # One application serves all cases, as it would in production.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def send(application: Application, body: bytes, headers: list[tuple[str, str]]) -> int:
    answer = await application.http.post("/webhooks/kota", content=body, headers=headers)
    return answer.status_code


async def stored(application: Application) -> int:
    async with application.app.state.services.sessions() as session:
        return await session.scalar(select(func.count()).select_from(KotaEvent)) or 0


@quick
@given(body=bodies, values=st.lists(signatures, max_size=2))
async def test_what_nobody_signed_is_401(application: Application, body: bytes, values: list[str]) -> None:
    assert await send(application, body, [(SIGNATURE_HEADER, value) for value in values]) == 401


@quick
@given(body=events.map(json.dumps).map(str.encode), place=st.integers(0, 10_000), bit=st.integers(0, 7))
async def test_delivery_that_was_changed_by_one_bit_is_401(
    application: Application, body: bytes, place: int, bit: int
) -> None:
    headers = [(SIGNATURE_HEADER, sign(body, secret=SECRET, at=datetime.now(UTC)))]
    changed = bytearray(body)
    changed[place % len(body)] ^= 1 << bit
    assert await send(application, bytes(changed), headers) == 401


@quick
@given(body=bodies)
async def test_what_is_signed_is_an_event_or_is_told_that_it_is_none(application: Application, body: bytes) -> None:
    headers = [(SIGNATURE_HEADER, sign(body, secret=SECRET, at=datetime.now(UTC)))]
    before = await stored(application)
    status = await send(application, body, headers)
    assert status in {200, 400}
    assert await stored(application) - before <= (1 if status == 200 else 0)
