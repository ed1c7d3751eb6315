"""Erasure by the calendar."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.privacy.erasure import ERASE_LEAVERS, erase_leavers
from app.queue.periodic import Periodic

log = structlog.get_logger(__name__)


def privacy_periodic(*, sessions: Sessions, keyring: Keyring, after: timedelta) -> Sequence[Periodic]:
    """Once a day, everybody who has been gone for longer than `after`."""

    async def erase() -> None:
        erased = await erase_leavers(sessions, after=after, keyring=keyring)
        log.info("privacy.leavers.erased", count=erased)

    return [Periodic(name=ERASE_LEAVERS, every=timedelta(days=1), run=erase)]
