"""Offboardings whose outcome nobody learnt: look at Kota, send again while the confirmation lives, else give up."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select

from app.errors import AppError
from app.kota import KotaError
from app.models import Offboarding, OffboardingState
from app.sync.at_kota import KotaRecord, get_record
from app.sync.kinds import KINDS, LEAVING, KindName
from app.sync.offboarding.context import Context, leased
from app.sync.offboarding.sending import send, settle

log = structlog.get_logger(__name__)

QUIET = timedelta(seconds=5)
"""How long after its request an offboarding is left to whoever made it."""


async def resolve_open(context: Context, *, now: datetime) -> None:
    """Find out what came of each open offboarding."""
    async with context.sessions() as session:
        statement = select(Offboarding).where(
            Offboarding.state == OffboardingState.REQUESTED, Offboarding.requested_at < func.now() - QUIET
        )
        found = list(await session.scalars(statement.order_by(Offboarding.requested_at).limit(100)))
    for offboarding in found:
        kind = KINDS[KindName(offboarding.kind)]
        try:
            async with leased(context, kind, offboarding.ref):
                shown = await get_record(context.kota, kind, offboarding.kota_id)
                if shown.status in LEAVING and _is_the_same_day(shown, offboarding):
                    await settle(context, kind, offboarding, OffboardingState.ACCEPTED, shown, error_code=None, now=now)
                elif now < offboarding.confirmed_until:
                    await send(context, kind, offboarding, now=now)
                else:
                    state = OffboardingState.NEEDS_CONFIRMATION
                    await settle(context, kind, offboarding, state, shown, error_code=None, now=now)
        except (KotaError, AppError) as error:
            log.warning(
                "sync.offboarding.unresolved", kind=offboarding.kind, ref=offboarding.ref, error=type(error).__name__
            )


def _is_the_same_day(shown: KotaRecord, offboarding: Offboarding) -> bool:
    return offboarding.offboard_on is None or shown.offboard_on == offboarding.offboard_on
