"""Whatever arrives, the answer is one of the design's, and nothing unproven is stored.

FUZZ_CASES is how many deliveries are tried in all; `make soak` tries many more than a usual run. Hypothesis finds the
shapes, and each is varied a few times more by a generator that costs next to nothing.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.kota import SIGNATURE_HEADER, sign
from app.models import KotaEvent
from tests.databases import NewDatabase
from tests.integration.application import WEBHOOK_SECRETS, Application, open_application

CASES = int(os.environ.get("FUZZ_CASES", "1000"))
VARIANTS = 10
SECRET = WEBHOOK_SECRETS[0].encode()
HEADER = SIGNATURE_HEADER.lower().encode()
# What parsers stumble over: numbers without end, halves of characters, depth, names said twice.
MORSELS = [
    b"\x00",
    rb"\u0000",
    rb"\ud800",
    b"\xff\xfe",
    b"1e999",
    b"NaN",
    b"[" * 400,
    b'{"id":',
    b'"id":"evt_1",',
    b",",
    b"=",
]

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


seeds = st.integers(0, 2**32)


def quick(share: float) -> settings:
    """For a test that is to have this share of the cases."""
    return settings(
        max_examples=max(1, int(CASES * share) // VARIANTS),
        deadline=None,
        derandomize="FUZZ_CASES" not in os.environ,
        # One application serves all cases, as it would in production.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture
async def application(new_database: NewDatabase) -> AsyncIterator[Application]:
    # Each refusal is a warning, and here are very many.
    async with open_application(new_database(), log_level="error") as application:
        yield application


def varied(content: bytes, rng: Random) -> bytes:
    """Something else: the same with a few bytes changed, taken out, put in or said twice."""
    while (other := _perhaps_varied(content, rng)) == content:
        pass
    return other


def _perhaps_varied(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[place : place + 1] = rng.randbytes(1)
            case 1:
                del changed[place : place + rng.randint(1, 16)]
            case 2:
                changed[place:place] = rng.choice(MORSELS)
            case _:
                changed[place:place] = changed[: rng.randint(1, 64)]
    return bytes(changed)


async def send(application: Application, body: bytes, values: Sequence[bytes]) -> tuple[int, bytes]:
    """What the application answers. Not through a client, which would not send every header that a stranger may."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def take(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/webhooks/kota",
        "raw_path": b"/webhooks/kota",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-length", str(len(body)).encode()), *((HEADER, value) for value in values)],
        "client": ("127.0.0.1", 1),
        "server": ("bff.test", 80),
    }
    await application.app(scope, receive, take)
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


async def send_all(application: Application, deliveries: Sequence[tuple[bytes, Sequence[bytes]]]) -> Counter[int]:
    """How many were answered with which status."""
    answers = await asyncio.gather(*(send(application, body, values) for body, values in deliveries))
    return Counter(status for status, _ in answers)


async def stored(application: Application) -> int:
    async with application.app.state.services.sessions() as session:
        return await session.scalar(select(func.count()).select_from(KotaEvent)) or 0


def signed(body: bytes, *, secret: bytes = SECRET, age: timedelta = timedelta(0)) -> bytes:
    return sign(body, secret=secret, at=datetime.now(UTC) - age).encode()


@quick(0.4)
@given(body=bodies, values=st.lists(signatures, max_size=2), seed=seeds)
async def test_what_nobody_signed_is_401(application: Application, body: bytes, values: list[str], seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - reproducible, not secret
    stolen = signed(b"another " + body)
    forged: list[tuple[bytes, list[bytes]]] = [(body, [value.encode() for value in values])]
    while len(forged) < VARIANTS:
        header = rng.choice(
            [
                *(varied(value.encode(), rng) for value in values),
                stolen,
                varied(stolen, rng),
                signed(body, secret=rng.randbytes(32)),
                signed(body, age=timedelta(hours=rng.choice([-1, 1]))),
            ]
        )
        # One that is good beside one that is not, is not good either.
        forged.append((body, rng.choice([[header], [header], [header, signed(body)], [signed(body), header]])))
    assert await send_all(application, forged) == {401: VARIANTS}
    assert await stored(application) == 0


@quick(0.4)
@given(body=events.map(json.dumps).map(str.encode), seed=seeds)
async def test_delivery_that_was_changed_is_401(application: Application, body: bytes, seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - reproducible, not secret
    values = [signed(body)]
    one_bit = bytearray(body)
    one_bit[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    changed = [bytes(one_bit), *(varied(body, rng) for _ in range(VARIANTS - 1))]
    assert await send_all(application, [(other, values) for other in changed]) == {401: VARIANTS}
    assert await stored(application) == 0


# Each of these costs a transaction, whether it is an event or a dead letter.
@quick(0.2)
@given(body=bodies, seed=seeds)
async def test_what_is_signed_is_an_event_or_is_told_that_it_is_none(
    application: Application, body: bytes, seed: int
) -> None:
    rng = Random(seed)  # noqa: S311 - reproducible, not secret
    before = await stored(application)
    sent = [body, *(varied(body, rng) for _ in range(VARIANTS - 1))]
    answers = await asyncio.gather(*(send(application, other, [signed(other)]) for other in sent))
    assert {status for status, _ in answers} <= {200, 400}
    accepted = [content for status, content in answers if status == 200 and b"accepted" in content]
    assert await stored(application) - before == len(accepted)
