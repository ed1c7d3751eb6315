"""One call to Kota for a confirmed offboarding, and what came of it."""

import json
from datetime import datetime

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kota import KotaError, KotaProblem, Verdict, verdict
from app.models import Offboarding, OffboardingState
from app.queue.dirty import read_anew
from app.sync.at_kota import KotaRecord
from app.sync.kinds import LEAVING, Kind, KindName
from app.sync.offboarding.context import Context, Held
from app.sync.offboarding.tokens import ConfirmationInvalid
from app.sync.refusals import RejectedByKota
from app.sync.rejections import host_errors
from app.sync.telling import learn_status

log = structlog.get_logger(__name__)


async def prepare(session: AsyncSession, context: Context, held: Held, *, until: datetime) -> None:
    """Before anything else in the transaction that writes down what is sent next: the lease must still be ours, and
    the confirmation hold, or nothing may be sent. Raises SyncInFlight and ConfirmationInvalid."""
    await held.renew(session)
    if context.clock() >= until:
        raise ConfirmationInvalid


async def send(context: Context, held: Held, offboarding: Offboarding, *, in_doubt: bool) -> Offboarding:
    """Call Kota once, as long as the lease lasts, and write down what came of it.

    `in_doubt` says whether an earlier attempt may have happened: then a refusal of this one says nothing, and it stays
    open like one that was not answered. Raises RejectedByKota.
    """
    kind = held.kind
    log.info("sync.offboarding.sent", kind=kind.name.value, ref=offboarding.ref, by=offboarding.confirmed_by)
    try:
        answer = await held.answered(_call(context, kind, offboarding), operation="offboard")
    except KotaError as error:
        in_doubt = in_doubt or error.may_have_happened
        if isinstance(error, KotaProblem) and verdict(error) is Verdict.REJECT and not in_doubt:
            await settle(context, kind, offboarding, OffboardingState.REFUSED, None, error_code=error.error_code)
            sent = json.loads(offboarding.body or b"{}")
            raise RejectedByKota(errors=host_errors(error.errors, sent=sent), kota_trace_id=error.trace_id) from error
        # Whoever looks at open offboardings finds out what came of it, or sends it again.
        await _keep_open(context, offboarding, error, in_doubt=in_doubt)
        return offboarding
    await settle(context, kind, offboarding, OffboardingState.ACCEPTED, answer, error_code=None)
    return offboarding


async def _call(context: Context, kind: Kind, offboarding: Offboarding) -> KotaRecord:
    if kind.name is KindName.EMPLOYER:
        return await context.kota.offboard_employer(offboarding.kota_id, idempotency_key=offboarding.key)
    return await context.kota.offboard_employee(
        offboarding.kota_id, offboarding.body or b"", idempotency_key=offboarding.key
    )


async def _keep_open(context: Context, offboarding: Offboarding, error: KotaError, *, in_doubt: bool) -> None:
    log.warning("sync.offboarding.unresolved", kind=offboarding.kind, ref=offboarding.ref, error=error.short_code)
    if not in_doubt:
        async with context.sessions.begin() as session:
            await session.execute(
                update(Offboarding)
                .where(Offboarding.id == offboarding.id, Offboarding.state == OffboardingState.REQUESTED)
                .values(error_code=error.short_code)
            )


async def settle(
    context: Context,
    kind: Kind,
    offboarding: Offboarding,
    state: OffboardingState,
    answer: KotaRecord | None,
    *,
    error_code: str | None,
) -> None:
    """Write down the end of an offboarding, and the state in which Kota showed the record, which the host is told."""
    async with context.sessions.begin() as session:
        # What was read of the record meanwhile may be newer than our answer: it may have left by now.
        if answer is None or await _is_leaving(session, kind, offboarding.ref):
            await read_anew(session, kind.name.value, offboarding.kota_id)
        else:
            await learn_status(session, kind.name.value, answer, now=context.clock())
        await session.execute(
            update(Offboarding)
            .where(Offboarding.id == offboarding.id, Offboarding.state == OffboardingState.REQUESTED)
            .values(state=state, settled_at=func.now(), body=None, error_code=error_code)
        )
    offboarding.state = state
    log.info("sync.offboarding.settled", kind=kind.name.value, ref=offboarding.ref, state=state.value)


async def _is_leaving(session: AsyncSession, kind: Kind, ref: str) -> bool:
    """Whether it is known already. Locks the record's row, so that nobody learns of it in between."""
    known = select(kind.model.kota_status).where(kind.model.ref == ref).with_for_update(key_share=True)
    return await session.scalar(known) in LEAVING
