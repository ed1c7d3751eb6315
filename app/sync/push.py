"""Bring one record to Kota: call, and turn the answer into what is written down. No transaction is open meanwhile."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.db.engine import Sessions
from app.kota import KotaClient, KotaError, KotaProblem, KotaUnreachable, Verdict, verdict
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
from app.sync.settlements import DUPLICATE, Settlement
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
                return Settlement.untouched(push, retry_in=timedelta(seconds=1), forget_push=push.first)
            return await self._adopt(push, found) if found else None
        except KotaError as error:
            return await self._failure(push, error, sent=False)

    async def _send(self, push: Push) -> Settlement:
        log.debug("sync.push.sent", kind=self._kind.name.value, ref=push.ref, version=push.version)
        answer = await self._call(push)
        log.debug("sync.push.answered", kind=self._kind.name.value, ref=push.ref, kota_id=answer.id)
        PUSHES.labels(self._kind.name.value, "accepted").inc()
        await self._key_works(push)
        if isinstance(push.step, Create):
            return Settlement.accepted(push, synced=created_by(push.step.body), kota_id=answer.id)
        return Settlement.accepted(push, synced=push.desired)

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
        if push.kota_id is not None:
            return await self._adopt(push, [push.kota_id])
        found = await find_by_reference(self._kota, push.ref, employer_id=push.employer_id)
        await self._key_works(push)
        log.info("sync.push.looked_up", kind=self._kind.name.value, ref=push.ref, found=len(found))
        if found:
            return await self._adopt(push, found)
        # It never happened. A key that may still be in use is kept, any other gives way to a new one.
        return Settlement.untouched(push, forget_push=not step.same_key)

    async def _adopt(self, push: Push, found: list[str]) -> Settlement:
        """Take over the record that Kota has already; what it says otherwise is pushed next."""
        if len(set(found)) > 1:
            log.error("sync.duplicate_at_kota", kind=self._kind.name.value, ref=push.ref, kota_ids=sorted(set(found)))
            return Settlement.rejected(push, DUPLICATE, look_up=True)
        answer = await get_record(self._kota, self._kind, found[0])
        await self._key_works(push)
        log.info("sync.adopted", kind=self._kind.name.value, ref=push.ref, kota_id=answer.id)
        PUSHES.labels(self._kind.name.value, "adopted").inc()
        synced = known_from(self._kind, answer)
        return Settlement.adopted(push, kota_id=answer.id, synced=synced, is_leaving=answer.status in LEAVING)

    async def _failure(self, push: Push, error: KotaError, *, sent: bool = True) -> Settlement:
        """`sent` is whether the push itself may have gone out, and not only what is read before it."""
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
        # A key that did nothing, and was not used before, must not make anybody believe that a create is under way.
        is_unused = push.first and not (sent and error.may_have_happened)
        is_look_up = isinstance(push.step, LookUp)
        if decision is Verdict.PAUSE:
            async with self._sessions.begin() as session:
                await gate.close(
                    session,
                    api_key=self._rules.api_key,
                    error_code=error.short_code,
                    trace_id=error.trace_id,
                    probe_every=self._rules.probe_every,
                )
            return Settlement.untouched(
                push, forget_push=is_unused, look_up=is_look_up, code=error.short_code, trace_id=error.trace_id
            )
        if problem is not None:
            await self._key_works(push)
        # An earlier attempt of the same create may have happened, whatever Kota says of this one: only its lists tell.
        is_doubtful = isinstance(push.step, Create) and not push.first and sent
        is_search = is_look_up and push.kota_id is None
        if decision is Verdict.REJECT and problem is not None and not (is_search or is_doubtful):
            # An earlier update with other content may still have happened; this one has not.
            is_other = isinstance(push.step, Update) and push.step.body != push.unresolved_body
            return Settlement.rejected(
                push,
                error.short_code,
                trace_id=error.trace_id,
                errors=host_errors(problem.errors, sent=push.desired),
                # What was sent under a key before, and is only looked for now, keeps its key.
                forget_push=sent or push.first,
                unresolved_body=push.unresolved_body if is_other else None,
            )
        return Settlement.retry(
            push,
            error.short_code,
            trace_id=error.trace_id,
            retry_in=self._rules.backoff.delay(push.attempts, at_least=timedelta(seconds=error.retry_after or 0)),
            sent=sent,
            forget_push=is_unused,
            look_up=is_look_up or (decision in {Verdict.LOOK_UP, Verdict.REJECT} and isinstance(push.step, Create)),
        )

    async def _key_works(self, push: Push) -> None:
        """Kota answered something else than 401 or 403: whatever it says of the record, pushing can go on."""
        if push.is_probe:
            async with self._sessions.begin() as session:
                await gate.open_again(session)
