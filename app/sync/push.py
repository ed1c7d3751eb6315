"""Bring one record to Kota: call, and turn the answer into what is written down. No transaction is open meanwhile."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from app.db.engine import Sessions
from app.kota import KotaClient, KotaError, KotaProblem, KotaUnreachable, Verdict, verdict
from app.models import SyncState
from app.ops.metrics import PUSHES
from app.queue.backoff import Backoff
from app.sync import gate
from app.sync.at_kota import KotaRecord, create_record, get_record, known_from, update_record
from app.sync.claims import Push
from app.sync.fields import created_by
from app.sync.kinds import LEAVING, Kind
from app.sync.looks import Looks, find_by_reference
from app.sync.plan import Create, LookUp, Update
from app.sync.rejections import host_errors
from app.sync.settlements import Settlement
from app.sync.settler import Settler

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PushRules:
    """What holds for every push."""

    api_key: str
    """A fingerprint."""
    backoff: Backoff
    probe_every: timedelta
    look_within: timedelta
    """How long a push waits for the first look of a run before it lets others go first."""


class Pusher:
    """Does the pushes of one kind of record."""

    def __init__(
        self, kind: Kind, *, sessions: Sessions, kota: KotaClient, looks: Looks, settler: Settler, rules: PushRules
    ) -> None:
        self._kind = kind
        self._sessions = sessions
        self._kota = kota
        self._looks = looks
        self._settler = settler
        self._rules = rules

    async def push(self, push: Push) -> None:
        """Do one push and settle it."""
        self._settler.under_way += 1
        try:
            await self._push(push)
        finally:
            self._settler.under_way -= 1

    async def _push(self, push: Push) -> None:
        try:
            # Sent after the lease, it could overtake what the next holder sends.
            async with asyncio.timeout_at(push.until):
                settlement = await self._without_sending(push) or await self._send(push)
        except TimeoutError:
            settlement = await self._failure(push, KotaUnreachable("push", "the lease ran out", may_have_happened=True))
        except KotaError as error:
            settlement = await self._failure(push, error)
        if await self._settler.settle(settlement):
            log.debug("sync.push.recorded", kind=self._kind.name.value, ref=push.ref, state=settlement.state.value)

    async def _without_sending(self, push: Push) -> Settlement | None:
        """What can be settled by reading; None if something has to be sent."""
        if isinstance(push.step, Update):
            return None
        try:
            if isinstance(push.step, LookUp):
                return await self._look_up(push, push.step)
            within = self._rules.look_within.total_seconds()
            found = await self._looks.before_create(push.ref, employer_id=push.employer_id, within=within)
            if found is None:
                waits = replace(self._settlement(push), retry_in=timedelta(seconds=1))
                return replace(waits, took_no_attempt=True, sent=False, forget_push=push.first)
            return await self._adopt(push, found) if found else None
        except KotaError as error:
            return replace(await self._failure(push, error), sent=False, forget_push=push.first)

    async def _send(self, push: Push) -> Settlement:
        log.debug("sync.push.sent", kind=self._kind.name.value, ref=push.ref, version=push.version)
        answer = await self._call(push)
        log.debug("sync.push.answered", kind=self._kind.name.value, ref=push.ref, kota_id=answer.id)
        PUSHES.labels(self._kind.name.value, "accepted").inc()
        await self._key_works(push)
        accepted = replace(self._settlement(push), state=SyncState.SYNCED, done=True, forget_push=True)
        if isinstance(push.step, Create):
            return replace(accepted, kota_id=answer.id, synced=created_by(push.step.body))
        return replace(accepted, synced=push.desired)

    async def _call(self, push: Push) -> KotaRecord:
        if isinstance(push.step, LookUp):
            raise TypeError("a look-up sends nothing")
        if isinstance(push.step, Create):
            if push.key is None:
                raise ValueError("a create is stored with its key before it is sent")
            return await create_record(self._kota, self._kind, push.step.body, idempotency_key=push.key)
        if push.kota_id is None:
            raise ValueError("only what is at Kota can be updated")
        return await update_record(self._kota, self._kind, push.kota_id, push.step.body)

    async def _look_up(self, push: Push, step: LookUp) -> Settlement:
        found = await find_by_reference(self._kota, push.ref, employer_id=push.employer_id)
        log.info("sync.push.looked_up", kind=self._kind.name.value, ref=push.ref, found=len(found))
        if found:
            return await self._adopt(push, found)
        # It never happened. A key that may still be in use is kept, any other gives way to a new one.
        nothing = replace(self._settlement(push), took_no_attempt=True, sent=False, look_up=False)
        return replace(nothing, forget_push=not step.same_key)

    async def _adopt(self, push: Push, found: list[str]) -> Settlement:
        """Take over the record that Kota has already; what it says otherwise is pushed next."""
        if len(set(found)) > 1:
            log.error("sync.duplicate_at_kota", kind=self._kind.name.value, ref=push.ref, kota_ids=sorted(set(found)))
            return replace(
                self._settlement(push),
                state=SyncState.REJECTED,
                done=True,
                look_up=True,
                sent=False,
                error_code="duplicate_at_kota",
            )
        answer = await get_record(self._kota, self._kind, found[0])
        log.info("sync.adopted", kind=self._kind.name.value, ref=push.ref, kota_id=answer.id)
        PUSHES.labels(self._kind.name.value, "adopted").inc()
        adopted = replace(
            self._settlement(push),
            kota_id=answer.id,
            synced=known_from(self._kind, answer),
            done=True,
            forget_push=True,
            sent=False,
        )
        if answer.status in LEAVING:
            return replace(adopted, state=SyncState.REJECTED, error_code="offboarded")
        return adopted

    async def _failure(self, push: Push, error: KotaError) -> Settlement:
        problem = error if isinstance(error, KotaProblem) else None
        decision = verdict(error)
        log.info(
            "sync.push.failed",
            kind=self._kind.name.value,
            ref=push.ref,
            verdict=decision.value,
            error=type(error).__name__,
            error_code=error.error_code,
            trace_id=error.trace_id,
        )
        PUSHES.labels(self._kind.name.value, decision.value).inc()
        failed = replace(self._settlement(push), error_code=error.short_code, error_trace_id=error.trace_id)
        if decision is Verdict.PAUSE:
            async with self._sessions.begin() as session:
                await gate.close(
                    session,
                    api_key=self._rules.api_key,
                    error_code=error.short_code,
                    trace_id=error.trace_id,
                    probe_every=self._rules.probe_every,
                )
            return replace(failed, took_no_attempt=True, sent=False)
        if problem is not None:
            await self._key_works(push)
        retry_in = self._rules.backoff.delay(push.attempts, at_least=timedelta(seconds=error.retry_after or 0))
        if decision is Verdict.REJECT and problem is not None and not isinstance(push.step, LookUp):
            return self._rejected(push, failed, problem)
        look_up = decision is Verdict.LOOK_UP and isinstance(push.step, Create)
        return replace(failed, retry_in=retry_in, look_up=look_up or failed.look_up)

    def _rejected(self, push: Push, failed: Settlement, problem: KotaProblem) -> Settlement:
        step = push.step
        # An earlier update with other content may still have happened; this one has not.
        earlier = push.unresolved_body if push.kota_id is not None else None
        unresolved = None if isinstance(step, LookUp) or earlier == step.body else earlier
        return replace(
            failed,
            state=SyncState.REJECTED,
            done=True,
            forget_push=True,
            push_body=unresolved,
            error_fields=host_errors(problem.errors, sent=push.desired),
        )

    async def _key_works(self, push: Push) -> None:
        """Kota answered something else than 401 or 403: whatever it says of the record, pushing can go on."""
        if push.is_probe:
            async with self._sessions.begin() as session:
                await gate.open_again(session)

    def _settlement(self, push: Push) -> Settlement:
        """A settlement that leaves the record pending and due now."""
        return Settlement(
            ref=push.ref,
            token=push.token,
            version=push.version,
            state=SyncState.PENDING,
            look_up=isinstance(push.step, LookUp),
        )
