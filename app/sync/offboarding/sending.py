"""One call to Kota for a confirmed offboarding, and what came of it."""

import json

import structlog
from sqlalchemy import func, update

from app.kota import KotaError, KotaProblem
from app.models import Offboarding, OffboardingState
from app.queue.dirty import mark_dirty
from app.sync.at_kota import KotaRecord
from app.sync.kinds import Kind, KindName
from app.sync.offboarding.context import Context
from app.sync.refusals import RejectedByKota
from app.sync.rejections import host_errors
from app.sync.status import record_status

log = structlog.get_logger(__name__)


async def send(context: Context, kind: Kind, offboarding: Offboarding) -> Offboarding:
    """Call Kota once, under the record's lease, and write down what came of it."""
    log.info("sync.offboarding.sent", kind=kind.name.value, ref=offboarding.ref, by=offboarding.confirmed_by)
    try:
        answer: KotaRecord
        if kind.name is KindName.EMPLOYER:
            answer = await context.kota.offboard_employer(offboarding.kota_id, idempotency_key=offboarding.key)
        else:
            answer = await context.kota.offboard_employee(
                offboarding.kota_id, offboarding.body or b"", idempotency_key=offboarding.key
            )
    except KotaProblem as error:
        if error.may_have_happened:
            return offboarding
        await settle(context, kind, offboarding, OffboardingState.REFUSED, None, error_code=error.error_code)
        sent = json.loads(offboarding.body or b"{}")
        raise RejectedByKota(errors=host_errors(error.errors, sent=sent), kota_trace_id=error.trace_id) from error
    except KotaError:
        # Whoever looks at open offboardings finds out what came of it.
        return offboarding
    await settle(context, kind, offboarding, OffboardingState.ACCEPTED, answer, error_code=None)
    return offboarding


async def settle(
    context: Context,
    kind: Kind,
    offboarding: Offboarding,
    state: OffboardingState,
    answer: KotaRecord | None,
    *,
    error_code: str | None,
) -> None:
    """Write down the end of an offboarding, and the state in which Kota showed the record."""
    async with context.sessions.begin() as session:
        if answer is not None:
            await record_status(session, kind.name, answer, context.clock())
        await session.execute(
            update(Offboarding)
            .where(Offboarding.id == offboarding.id, Offboarding.state == OffboardingState.REQUESTED)
            .values(state=state, settled_at=func.now(), body=None, error_code=error_code)
        )
        await mark_dirty(session, kind.name.value, offboarding.kota_id)
    offboarding.state = state
    log.info("sync.offboarding.settled", kind=kind.name.value, ref=offboarding.ref, state=state.value)
