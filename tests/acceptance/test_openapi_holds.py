"""Schemathesis against real processes: what fits `/openapi.json` is answered as it says, and so is what does not.

SCHEMA_EXAMPLES is how many requests are sent at least. From the default on, every case that the document itself
suggests is among them (limits, types, missing members, other methods); `make soak` adds random ones and chains of
requests that use each other's answers.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.result import Ok
from schemathesis.engine import events
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.schemas import OpenApiSchema

from app.kota.signatures import HEADER, sign
from app.sync.batch_routes import NDJSON
from tests.processes import wait_until
from tests.support.stack import Stack

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "1500"))
IS_SOAK = EXAMPLES > 1500
SETTINGS = {
    # Nobody else makes fifty thousand requests as one person.
    "SERVICE_REQUESTS_PER_MINUTE": "100000000",
    "SESSIONS_PER_MINUTE": "100000000",
    "SYNC_WAIT": "0.05",
}

# What OpenAPI has no words for. A code of its own says which state of things forbids the request; of the plain codes,
# only these rules may meet a request that fits the document.
PLAIN = {"invalid_request", "malformed_request"}
BEYOND_SCHEMA = {
    "The body holds a NUL character or an unpaired surrogate.",
    "A NUL character is no part of any address here.",
    "is not a cursor of this list",
    "needs a year",
    "lies in the future",
    "must not hold control or invisible characters",
    # Kota's own rules, which a record is held to in changed fields only.
    "must not be empty",
    "must be a calendar date, YYYY-MM-DD",
    "must be after 1900-01-01",
    "must be in the past",
    "must be in the future",
    "is required for this country",
    "must be an ISO 3166-1 alpha-2 country code, or xk",
    "must have at most 24 keys beside id",
    "must have keys of at most 40 characters",
    "must be at most 500 characters",
    "id is set by this service",
}

Case = schemathesis.Case[Any]

pytestmark = [
    pytest.mark.acceptance,
    # It says so of its own rendering of large requests.
    pytest.mark.filterwarnings("ignore:Generating overly large repr:hypothesis.errors.HypothesisWarning"),
]


class Bearer(AuthBase):
    """A service key or a frontend token."""

    def __init__(self, credential: str) -> None:
        self._credential = credential

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._credential}"
        return request


class KotaSigns(AuthBase):
    """What Kota does with a delivery."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        assert isinstance(body, str | bytes)
        raw = body.encode() if isinstance(body, str) else body
        request.headers[HEADER] = sign(raw, secret=self._secret, at=datetime.now(UTC))
        return request


def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", settings=SETTINGS, sandbox={"SANDBOX_KIND": "true"}) as stack:
        _make_what_examples_name(stack)
        sent: Counter[str] = Counter()
        found: list[str] = []
        rounds = 0
        while sum(sent.values()) < EXAMPLES and not found:
            schema = _schema(stack, seed=rounds, left=EXAMPLES - sum(sent.values()), sent=sent)
            found += list(_findings(schema))
            rounds += 1
        operations = {one.ok().label for one in schema.get_all_operations() if isinstance(one, Ok)}
        print(f"{sum(sent.values())} requests in {rounds} rounds", *found, sep="\n\n")

    assert found == []
    assert sum(sent.values()) >= EXAMPLES
    assert operations <= set(sent)


def _schema(stack: Stack, *, seed: int, left: int, sent: Counter[str]) -> OpenApiSchema:
    """The document as it is served, with credentials for everybody. `sent` counts what is answered, by operation."""
    # Cases without chance are worth sending once.
    first = seed == 0
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": stack.api_urls[0],
            "continue-on-failure": True,
            "generation": {"database": "none", "max-examples": max(1, left // 40)},
            "phases": {
                "examples": {"enabled": first},
                "coverage": {"enabled": first},
                "fuzzing": {"enabled": IS_SOAK or not first},
                "stateful": {"enabled": IS_SOAK and first, "generation": {"max-examples": min(200, left // 100)}},
            },
        }
    )
    schema = schemathesis.openapi.from_url(f"{stack.api_urls[0]}/openapi.json", config=config)
    person = stack.frontend_token("acme-ie", "emp-42", exp=2**33)
    schema.auth.set_from_requests(KotaSigns(stack.webhook_secret)).apply_to(path="/webhooks/kota")
    schema.auth.set_from_requests(Bearer(stack.service_key)).apply_to(path_regex="^/(internal|metrics)")
    schema.auth.set_from_requests(Bearer(person)).apply_to(path_regex="^/(sessions|me|notifications)")

    @schema.hook
    def after_call(_context: Any, case: Case, _response: schemathesis.Response) -> None:
        sent[case.operation.label] += 1

    @schema.hook
    def filter_failure(_context: Any, failure: Failure, case: Case, response: schemathesis.Response) -> bool:
        if isinstance(failure, AcceptedNegativeData) and case.media_type == NDJSON:
            # A batch is text, and whatever is sent arrives as text: bad lines are refused one by one.
            return False
        return not (isinstance(failure, RejectedPositiveData) and _is_beyond_schema(response))

    return schema


def _is_beyond_schema(response: schemathesis.Response) -> bool:
    problem = response.json()
    if problem["code"] in PLAIN:
        said = [fault["message"] for fault in problem.get("errors", [])] or [problem["detail"]]
        return set(said) <= BEYOND_SCHEMA
    return response.status_code == 422


def _findings(schema: OpenApiSchema) -> Iterator[str]:
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            yield f"{event.label}: {event.info.format()}"
        elif isinstance(event, events.FatalError):
            yield repr(event.exception)
        elif isinstance(event, events.ScenarioFinished):
            yield from _failures(event)


def _failures(scenario: events.ScenarioFinished) -> Iterator[str]:
    for case, checks in scenario.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                exchange = scenario.recorder.interactions[case]
                answer = exchange.response and (exchange.response.status_code, exchange.response.content)
                asked = exchange.request.method, exchange.request.uri, exchange.request.body
                yield f"{failure.operation}: {failure.title}: {failure.message}\n{asked}\n{answer}"


def _make_what_examples_name(stack: Stack) -> None:
    """The document's examples name these records; something happens to them, so that lists have something to show."""
    document = httpx.get(f"{stack.api_urls[0]}/openapi.json").json()
    schemas = document["components"]["schemas"]
    with httpx.Client(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=30) as backend:
        for path, schema in (("employers/acme-ie", "EmployerIn"), ("employees/emp-42", "EmployeeIn")):
            url = f"/internal/{path}"
            backend.put(url, json=schemas[schema]["examples"][0]).raise_for_status()
            wait_until(lambda url=url: backend.get(url).json()["kota_id"] is not None)  # type: ignore[misc]  # As above.
        employer = backend.get("/internal/employers/acme-ie").json()["kota_id"]
        employee = backend.get("/internal/employees/emp-42").json()["kota_id"]
        ids = {"employer_id": employer, "employee_id": employee}
        for type_ in ("enrolment_intent.action_required", "contribution_report.finalized"):
            stack.control("POST", "emit", {"type": type_, "version": "v2", "data": ids})
        wait_until(lambda: len(_items(backend, "/internal/events?state=processed")) >= 2)


def _items(backend: httpx.Client, path: str) -> list[Any]:
    items: list[Any] = backend.get(path).json()["items"]
    return items


@schemathesis.serializer(NDJSON)
def _as_it_is(_context: Any, value: Any) -> bytes:
    """Lines are text. What breaks the document may be any JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="surrogatepass")
