"""What Kota has already. Read once per run before the first create: a host that is on Kota, or a database restored from
a backup, must not have anybody created twice; and searched whenever a create's outcome can no longer be asked for.
"""

import asyncio

import structlog

from app.kota import KotaClient
from app.queue.tasks import cancel
from app.sync.at_kota import list_records, reference_of

log = structlog.get_logger(__name__)


async def find_by_reference(kota: KotaClient, ref: str, *, employer_id: str | None) -> list[str]:
    """Kota's ids of all records that carry exactly this reference: employers, or employees of `employer_id`.

    Kota's own search is wider than that, if it has one, so what it finds is compared.
    """
    listed = list_records(kota, employer_id=employer_id, metadata_id=ref)
    return [record.id async for record in listed if reference_of(record) == ref]


class Looks:
    """The first looks of this run: per employer, Kota's ids by the host's reference."""

    def __init__(self, kota: KotaClient) -> None:
        self._kota = kota
        self._looks: dict[str | None, asyncio.Task[dict[str, list[str]]]] = {}

    async def before_create(self, ref: str, *, employer_id: str | None, within: float) -> list[str] | None:
        """Kota's ids for this reference when the run first looked; None if the look takes longer than `within`.

        `employer_id` is None for employers. Raises KotaError if the look failed; the next caller looks again.
        """
        look = self._looks.get(employer_id)
        if look is None:
            look = self._looks[employer_id] = asyncio.create_task(self._look(employer_id))
        if not look.done():
            await asyncio.wait([look], timeout=within)
        if not look.done():
            return None
        if look.cancelled() or look.exception() is not None:
            self._looks.pop(employer_id, None)
        return look.result().get(ref, [])

    async def aclose(self) -> None:
        """End the looks that are under way."""
        await cancel(self._looks.values())

    async def _look(self, employer_id: str | None) -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {}
        async for record in list_records(self._kota, employer_id=employer_id):
            reference = reference_of(record)
            if reference is not None:
                ids.setdefault(reference, []).append(record.id)
        log.info("sync.looked_first", employer_id=employer_id, found=len(ids))
        return ids
