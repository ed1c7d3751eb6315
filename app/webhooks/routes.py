"""`POST /webhooks/kota`: verify, store, answer. What an event means is found out later, by a worker."""

from datetime import UTC, datetime
from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from app.errors import MalformedRequest, Unauthenticated
from app.kota import SIGNATURE_HEADER, NotAnEvent, SignatureRefused, read_envelope, shape, verify
from app.ops.metrics import WEBHOOK_REFUSALS, WEBHOOKS
from app.settings import Settings
from app.web.dependencies import services_of
from app.web.openapi import SIGNED, problems
from app.webhooks.dead_letters import bury
from app.webhooks.intake import Intake, NotStored, Outcome
from app.webhooks.store import NewEvent

log = structlog.get_logger(__name__)


class BadSignature(Unauthenticated):
    """The delivery is not signed by Kota."""

    code = "bad_signature"


class NotAnEventDelivered(MalformedRequest):
    """The delivery is signed, but it is no event."""

    code = "not_an_event"


class Received(BaseModel):
    """The event is on disk: `accepted` for the first time, `duplicate` if it was there before."""

    status: Literal["accepted", "duplicate"]


ANSWERS = {outcome: b'{"status":"%s"}' % outcome.value.encode() for outcome in Outcome}
COUNTED = {outcome: WEBHOOKS.labels(outcome.value) for outcome in Outcome}

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


NAME = {"type": "string", "minLength": 1, "pattern": r"^[^\x00]+$"}
DELIVERY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["id", "type"],
                "properties": {"id": {**NAME, "maxLength": 255}, "type": NAME},
                "examples": [
                    {
                        "id": "evt_0123456789abcdef",
                        "type": "employee.updated",
                        "version": "v2",
                        "data": {"id": "ee_0123456789abcdef", "resource_type": "employee"},
                    }
                ],
            }
        }
    },
}
"""What an event must have. Everything else in it is optional, and never believed."""


@router.post(
    "/kota",
    summary="Receive a Kota webhook",
    response_model=Received,
    responses=problems(400, 401, 413, 503),
    openapi_extra={"requestBody": DELIVERY, "security": [{SIGNED: []}]},
)
async def receive(request: Request) -> Response:
    """Answers 200 once the event is on disk. Anything else asks Kota to deliver it again."""
    services, intake = services_of(request), _intake_of(request)
    try:
        body = await request.body()
    except ClientDisconnect:
        raise MalformedRequest("The body did not arrive.") from None
    _check_signature(request, body, services.settings)
    try:
        envelope = read_envelope(body)
    except NotAnEvent as error:
        async with services.sessions.begin() as session:
            await bury(session, body, reason=str(error), keyring=services.keyring, lookup_key=services.lookup_key)
        WEBHOOKS.labels("not_an_event").inc()
        raise NotAnEventDelivered(str(error)) from None
    event = NewEvent(envelope.id, envelope.type, envelope.version, services.keyring.encrypt(body))
    try:
        outcome = await intake.submit(event)
    except NotStored:
        WEBHOOKS.labels("not_stored").inc()
        raise
    COUNTED[outcome].inc()
    # A constant: building and checking a model would cost more than the rest of the answer.
    return Response(ANSWERS[outcome], media_type="application/json")


def _intake_of(request: Request) -> Intake:
    intake = request.app.state.intake
    if not isinstance(intake, Intake):
        raise TypeError("the application was started without its intake")
    return intake


def _check_signature(request: Request, body: bytes, settings: Settings) -> None:
    headers = request.headers.getlist(SIGNATURE_HEADER)
    try:
        verify(
            body,
            headers,
            secrets=[secret.get_secret_value().encode() for secret in settings.kota_webhook_secrets],
            tolerance=settings.kota_webhook_tolerance,
            now=datetime.now(UTC),
        )
    except SignatureRefused as error:
        WEBHOOK_REFUSALS.labels(error.reason.value).inc()
        WEBHOOKS.labels("refused").inc()
        log.warning(
            "webhooks.signature.refused", reason=error.reason.value, shapes=[shape(header) for header in headers[:2]]
        )
        raise BadSignature from None
