"""Offboardings whose outcome nobody learnt: look at Kota, send again while the confirmation lives, else give up."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select

from app.db.encryption import Undecryptable
from app.errors import AppError
from app.kota import KotaError, KotaNotFound
from app.models import Offboarding, OffboardingState
from app.sync.at_kota import KotaRecord, get_record
from app.sync.kinds import KINDS, LEAVING, KindName
from app.sync.offboarding.context import Context, Held, leased
from app.sync.offboarding.sending import prepare, send, settle
from app.sync.refusals import RejectedByKota

log = structlog.get_logger(__name__)

QUIET = timedelta(seconds=5)
"""How long after its request an offboarding is left to whoever made it."""


async def resolve_open(context: Context) -> None:
    """Find out what came of each open offboarding."""
    async with context.sessions() as session:
        statement = select(Offboarding.id, Offboarding.kind, Offboarding.ref).where(
            Offboarding.state == OffboardingState.REQUESTED, Offboarding.requested_at < func.now() - QUIET
        )
        # All of them, so that those which nobody can look at are in no other's way; first those that may yet be sent.
        found = (await session.execute(statement.order_by(Offboarding.confirmed_until.desc()))).all()
    for row in found:
        kind = KINDS[KindName(row.kind)]
        try:
            async with leased(context, kind, row.ref) as held:
                await _resolve(context, held, row.id)
        except (KotaError, AppError, Undecryptable) as error:
            log.warning("sync.offboarding.unresolved", kind=row.kind, ref=row.ref, error=type(error).__name__)


async def _resolve(context: Context, held: Held, id: UUID) -> None:
    """Look at one, under the record's lease: whatever ends an offboarding holds that."""
    async with context.sessions() as session:
        offboarding = await session.get(Offboarding, id)
    if offboarding is None or offboarding.state is not OffboardingState.REQUESTED:
        return
    kind = held.kind
    shown: KotaRecord | None
    try:
        shown = await get_record(context.kota, kind, offboarding.kota_id)
    except KotaNotFound:
        if _is_alive(context, offboarding):
            raise
        shown = None
    if shown is not None and shown.status in LEAVING and _is_the_same_day(shown, offboarding):
        await settle(context, kind, offboarding, OffboardingState.ACCEPTED, shown, error_code=None)
    elif _is_alive(context, offboarding):
        await _send_again(context, held, offboarding)
    else:
        await settle(context, kind, offboarding, OffboardingState.NEEDS_CONFIRMATION, None, error_code=None)


async def _send_again(context: Context, held: Held, offboarding: Offboarding) -> None:
    in_doubt = offboarding.error_code is None
    async with context.sessions.begin() as session:
        await prepare(session, context, held, until=offboarding.confirmed_until)
        # On disk before it is sent: from here on it may have happened.
        session.add(offboarding)
        offboarding.error_code = None
    with suppress(RejectedByKota):
        await send(context, held, offboarding, in_doubt=in_doubt)


def _is_alive(context: Context, offboarding: Offboarding) -> bool:
    return context.clock() < offboarding.confirmed_until


def _is_the_same_day(shown: KotaRecord, offboarding: Offboarding) -> bool:
    return offboarding.offboard_on is None or shown.offboard_on == offboarding.offboard_on
