"""Preview, confirm and cancel."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import FieldError, KotaUnavailable
from app.kota import Employee, KotaError, KotaNotFound, KotaProblem, serialise
from app.models import Offboarding, OffboardingState
from app.sync.kinds import EMPLOYEES, LEAVING, Kind, KindName
from app.sync.offboarding.context import Context, Held, leased
from app.sync.offboarding.facts import EmployerFacts, Facts, employee_facts, employer_facts, facts_digest
from app.sync.offboarding.refusals import (
    IrreversibleNotAccepted,
    NeedsConfirmation,
    NotAtKota,
    NotCancellable,
    PreviewChanged,
)
from app.sync.offboarding.sending import prepare, send
from app.sync.offboarding.tokens import ConfirmationInvalid, Shown, check, digest_of, issue
from app.sync.refusals import Offboarded, UnknownRecord
from app.sync.telling import learn_status

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would end, and the token that confirms having seen it."""

    facts: Facts
    confirmation_token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a person sends to go on. `legal_name` is for employers, the rest for employees."""

    token: str
    offboard_on: date | None = None
    offboard_reason: str | None = None
    accept_irreversible: bool = False
    legal_name: str | None = None


async def preview(context: Context, kind: Kind, ref: str, *, offboard_on: date | None) -> Preview:
    """Read what would end. KotaUnavailable if any of it cannot be read."""
    # What is shown may change from the first read on.
    now = context.clock()
    kota_id = await _kota_id(context, kind, ref)
    facts = await _read(context, kind, kota_id)
    shown = Shown(kind.name.value, ref, kota_id, offboard_on, facts_digest(facts))
    token, expires_at = issue(shown, lookup_key=context.lookup_key, now=now)
    return Preview(facts, token, expires_at)


async def confirm(context: Context, kind: Kind, ref: str, given: Confirmation) -> Offboarding:
    """Offboard what the token shows, if it is still so. Returns the offboarding; its state says whether Kota's answer
    is known. Raises what stands against it.

    A token confirms once. Sent again it finds out how that went, as long as nobody knew.
    """
    if earlier := await _confirmed_by(context, kind, ref, given.token):
        return _told_again(earlier)
    now = context.clock()
    shown, until = check(
        given.token,
        kind=kind.name.value,
        ref=ref,
        offboard_on=given.offboard_on,
        lookup_key=context.lookup_key,
        now=now,
    )
    if given.offboard_on is not None and given.offboard_on <= now.date() and not given.accept_irreversible:
        raise IrreversibleNotAccepted(errors=[FieldError("/accept_irreversible", "must be true for this day")])
    async with leased(context, kind, ref) as held:
        kota_id = await _kota_id(context, kind, ref)
        facts = await _read(context, kind, kota_id)
        if kota_id != shown.kota_id or facts_digest(facts) != shown.digest:
            raise PreviewChanged
        if facts.status in LEAVING:
            raise Offboarded
        if isinstance(facts, EmployerFacts) and not _is_named(facts, given.legal_name):
            raise ConfirmationInvalid("/confirm_legal_name")
        offboarding = await _write_down(context, held, kota_id, given, until=until)
        return await send(context, held, offboarding, in_doubt=False)


async def _confirmed_by(context: Context, kind: Kind, ref: str, token: str) -> Offboarding | None:
    """What this token confirmed already."""
    statement = select(Offboarding).where(
        Offboarding.confirmation == digest_of(token), Offboarding.kind == kind.name.value, Offboarding.ref == ref
    )
    async with context.sessions() as session:
        found: Offboarding | None = await session.scalar(statement)
    return found


def _told_again(earlier: Offboarding) -> Offboarding:
    if earlier.state is OffboardingState.REQUESTED:
        return earlier
    if earlier.state is OffboardingState.NEEDS_CONFIRMATION:
        raise NeedsConfirmation
    raise ConfirmationInvalid


def _is_named(facts: EmployerFacts, typed: str | None) -> bool:
    """Whether somebody typed the employer's name. A name that Kota does not show can be confirmed by nobody."""
    name = (facts.legal_name or "").strip()
    return bool(name) and (typed or "").strip() == name


async def cancel(context: Context, ref: str) -> Employee:
    """Take back an employee's offboarding; possible until the day before. Returns the employee as Kota then has it."""
    async with leased(context, EMPLOYEES, ref) as held:
        kota_id = await _kota_id(context, EMPLOYEES, ref)
        try:
            found = await context.kota.get_employee(kota_id)
            if found.status not in LEAVING and found.offboard_on is None:
                return await _cancelled(context, ref, found)
            if found.status == "inactive" or found.offboard_on is None or found.offboard_on <= context.clock().date():
                raise NotCancellable
            async with context.sessions.begin() as session:
                await held.renew(session)
            cancelling = context.kota.cancel_offboarding(kota_id, idempotency_key=str(uuid4()))
            answer = await held.answered(cancelling, operation="cancel_offboarding")
        except KotaProblem as error:
            if error.status == 400:
                raise NotCancellable(kota_trace_id=error.trace_id) from error
            raise KotaUnavailable(retry_after=5, kota_trace_id=error.trace_id) from error
        except KotaError as error:
            # It may have happened. Asking again finds that out, and does it if it has not.
            raise KotaUnavailable(retry_after=5) from error
        return await _cancelled(context, ref, answer)


async def _cancelled(context: Context, ref: str, answer: Employee) -> Employee:
    async with context.sessions.begin() as session:
        await learn_status(session, KindName.EMPLOYEE.value, answer, now=context.clock())
        await session.execute(
            update(Offboarding)
            .where(
                Offboarding.kind == KindName.EMPLOYEE.value,
                Offboarding.ref == ref,
                Offboarding.state.in_([OffboardingState.REQUESTED, OffboardingState.ACCEPTED]),
            )
            .values(state=OffboardingState.CANCELLED, settled_at=func.now(), body=None)
        )
    log.info("sync.offboarding.cancelled", ref=ref, by=context.caller)
    return answer


async def _kota_id(context: Context, kind: Kind, ref: str) -> str:
    async with context.sessions() as session:
        row: Any = (await session.execute(select(kind.model.kota_id).where(kind.model.ref == ref))).one_or_none()
    if row is None:
        raise UnknownRecord
    if row.kota_id is None:
        raise NotAtKota
    return str(row.kota_id)


async def _read(context: Context, kind: Kind, kota_id: str) -> Facts:
    try:
        if kind.name is KindName.EMPLOYER:
            return await employer_facts(context.kota, kota_id)
        return await employee_facts(context.kota, kota_id)
    except* KotaError as group:
        error = _first(group)
    missing = " Kota does not know it any more." if isinstance(error, KotaNotFound) else ""
    raise KotaUnavailable(
        f"Not everything that would end could be read.{missing}", retry_after=5, kota_trace_id=error.trace_id
    )


def _first(group: ExceptionGroup[KotaError]) -> KotaError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


async def _write_down(
    context: Context, held: Held, kota_id: str, given: Confirmation, *, until: datetime
) -> Offboarding:
    """On disk with its key, before it is sent. Reading took its time: the lease and the token must still hold."""
    body = None
    if given.offboard_on is not None:
        # Kota's format is a date-time although it means a day (Kota's OpenAPI).
        body = serialise(
            {"offboard_on": f"{given.offboard_on.isoformat()}T00:00:00Z", "offboard_reason": given.offboard_reason}
        )
    offboarding = Offboarding(
        kind=held.kind.name.value,
        ref=held.ref,
        kota_id=kota_id,
        offboard_on=given.offboard_on,
        body=body,
        key=str(uuid4()),
        confirmed_by=context.caller,
        confirmation=digest_of(given.token),
        confirmed_until=until,
    )
    try:
        async with context.sessions.begin() as session:
            await prepare(session, context, held, until=until)
            session.add(offboarding)
    except IntegrityError:
        # The same confirmation, twice at once: the other was first.
        raise ConfirmationInvalid from None
    return offboarding
