"""What we hold after a storm, as differences from what is so at Kota."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.db.engine import create_engine, create_sessions
from app.models import (
    ContributionLine,
    ContributionReport,
    Employee,
    Employer,
    EventState,
    KotaEvent,
    KotaResource,
    Notification,
    NotificationState,
    OutboxMessage,
    OutboxState,
)
from tests.support.stack import Stack
from tests.support.storm.asked import Concerned
from tests.support.storm.people import People
from tests.support.storm.truth import Truth

Difference = tuple[Any, ...]

_UNSETTLED = text("""
    SELECT (SELECT count(*) FROM kota_events WHERE state = 'pending')
        + (SELECT count(*) FROM kota_resources WHERE dirty_seq > clean_seq OR lease_token IS NOT NULL)
        + (SELECT count(*) FROM contribution_reports WHERE NOT frozen)
        + (SELECT count(*) FROM outbox_messages WHERE state = 'pending')
""")


class Ours:
    """Our database, with the keys to read it."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.postgres.url
        self._keyring = Keyring([stack.env["ENCRYPTION_KEYS"]])

    def unsettled(self) -> int:
        """How much there still is to do, and how many events there are not yet."""

        async def read(session: AsyncSession) -> int:
            return int(await session.scalar(_UNSETTLED) or 0)

        return int(self._run(read))

    def event_ids(self) -> set[str]:
        """The events that are stored."""

        async def read(session: AsyncSession) -> set[str]:
            return set(await session.scalars(select(KotaEvent.id)))

        found: set[str] = self._run(read)
        return found

    def differences(self, truth: Truth, people: People) -> list[Difference]:
        """All of them; none if everything is as Kota shows it."""

        async def read(session: AsyncSession) -> list[Difference]:
            return [
                *await _of_events(session, truth, self._keyring),
                *await _of_resources(session, truth),
                *await _of_people(session, truth, people),
                *await _of_notifications(session, truth),
                *await _of_reports(session, truth),
            ]

        found: list[Difference] = self._run(read)
        return found

    def notifications(self) -> list[Notification]:
        """All of them, decrypted."""

        async def read(session: AsyncSession) -> list[Notification]:
            return list(await session.scalars(select(Notification)))

        found: list[Notification] = self._run(read)
        return found

    def messages(self) -> list[tuple[str, int, OutboxState]]:
        """The host's messages: object, version, state."""

        async def read(session: AsyncSession) -> list[Any]:
            found = await session.execute(select(OutboxMessage.object, OutboxMessage.version, OutboxMessage.state))
            return [tuple(row) for row in found]

        rows: list[tuple[str, int, OutboxState]] = self._run(read)
        return rows

    def found_and_repeated(self) -> tuple[int, int]:
        """How many events no delivery brought, and how many were delivered more than once."""

        async def read(session: AsyncSession) -> tuple[int, int]:
            counts = select(
                func.count().filter(KotaEvent.deliveries == 0), func.count().filter(KotaEvent.deliveries > 1)
            )
            found, repeated = (await session.execute(counts)).one()
            return found, repeated

        counted: tuple[int, int] = self._run(read)
        return counted

    def _run(self, read: Any) -> Any:
        async def run() -> Any:
            engine = create_engine(self._url, keyring=self._keyring, application_name="storm")
            try:
                async with create_sessions(engine)() as session:
                    return await read(session)
            finally:
                await engine.dispose()

        return asyncio.run(run())


async def _of_events(session: AsyncSession, truth: Truth, keyring: Keyring) -> list[Difference]:
    stored = {event.id: event for event in await session.scalars(select(KotaEvent))}
    wrong: list[Difference] = [("event", id_, "missing or unknown") for id_ in stored.keys() ^ truth.events.keys()]
    for id_, event in stored.items():
        told = truth.events.get(id_, {})
        body = json.loads(keyring.decrypt(event.body))
        if (body["id"], body["type"], body["data"]) != (id_, told.get("type"), told.get("data")):
            wrong.append(("event", id_, "another body"))
        if (event.type, event.version) != (told.get("type"), truth.versions.get(id_)):
            wrong.append(("event", id_, event.type, event.version))
        if (event.state, event.error_code) != (EventState.PROCESSED, None):
            wrong.append(("event", id_, event.state, event.error_code))
        if event.deliveries < truth.answered.get(id_, 0):
            wrong.append(("event", id_, "was answered and not stored", event.deliveries, truth.answered[id_]))
    return wrong


async def _of_resources(session: AsyncSession, truth: Truth) -> list[Difference]:
    rows = {(row.kind, row.id): row for row in await session.scalars(select(KotaResource))}
    wrong: list[Difference] = [("resource", *key, "missing or unknown") for key in rows.keys() ^ truth.resources.keys()]
    for key, row in rows.items():
        # A membership is read from its group's list, which has no status.
        status = None if row.kind == "group_member" else truth.resources.get(key, {}).get("status")
        if (row.kota_status, row.error_code, row.dirty_seq - row.clean_seq) != (status, None, 0):
            wrong.append(("resource", *key, row.kota_status, status, row.error_code))
    return wrong


async def _of_people(session: AsyncSession, truth: Truth, people: People) -> list[Difference]:
    wrong: list[Difference] = []
    records: dict[str, Sequence[Employer | Employee]] = {
        "employer": (await session.scalars(select(Employer))).all(),
        "employee": (await session.scalars(select(Employee))).all(),
    }
    for kind, rows in records.items():
        at_kota = {item["id"]: item for item in truth.state[kind]}
        sent = people.of(kind)
        if {row.ref for row in rows} != sent.keys():
            wrong.append((kind, "other records"))
        for row in rows:
            theirs = at_kota[people.kota_ids[row.ref]]
            if (row.kota_id, row.kota_status, row.state.value) != (theirs["id"], theirs["status"], "synced"):
                wrong.append((kind, row.ref, row.kota_id, row.kota_status, theirs["status"], row.state))
            for name, value in sent[row.ref].items():
                if name != "employer_ref" and not _is_part(value, theirs[name]):
                    wrong.append((kind, row.ref, name, theirs[name]))
    return wrong


def _is_part(sent: Any, found: Any) -> bool:
    """Of an object only the members that were sent: Kota shows the others as null."""
    return bool(sent == ({name: found.get(name) for name in sent} if isinstance(sent, dict) else found))


async def _of_notifications(session: AsyncSession, truth: Truth) -> list[Difference]:
    wrong: list[Difference] = []
    open_ones = {}
    for row in await session.scalars(select(Notification)):
        key = (row.kind, row.resource_id, row.action)
        if row.state is NotificationState.OPEN:
            open_ones[key] = row
        elif row.closed_at is None:
            wrong.append(("notification", *key, row.state, "closed at no time"))
    wrong += [("notification", *key, "not open") for key in truth.asked.keys() - open_ones.keys()]
    wrong += [("notification", *key, "still open") for key in open_ones.keys() - truth.asked.keys()]
    for key in truth.asked.keys() & open_ones.keys():
        row, asked = open_ones[key], truth.asked[key]
        ours = (row.audience.value, row.title, row.body, row.code, row.due_on and row.due_on.isoformat())
        theirs = (asked.audience, asked.title, asked.body, asked.code, asked.due_on)
        ids = Concerned(row.kota_employer_id, row.kota_employee_id, row.external_customer_id)
        if (ours, ids) != (theirs, asked.concerned):
            wrong.append(("notification", *key, ours, ids, asked))
    return wrong


async def _of_reports(session: AsyncSession, truth: Truth) -> list[Difference]:
    reports = {row.id: row for row in await session.scalars(select(ContributionReport))}
    at_kota = {item["id"]: item for item in truth.state["contribution_report"]}
    wrong: list[Difference] = [("report", id_, "missing or unknown") for id_ in reports.keys() ^ at_kota.keys()]
    for id_ in reports.keys() & at_kota.keys():
        row, theirs = reports[id_], at_kota[id_]
        ours: dict[str, Any] = {
            "employer_id": row.kota_employer_id,
            "external_customer_id": row.external_customer_id,
            "period": {"from_date": row.period_from.isoformat(), "to_date": row.period_to.isoformat()},
            "status": row.status,
        }
        times = [row.finalized_at, row.kota_updated_at]
        if times != [datetime.fromisoformat(theirs[name]) for name in ("finalized_at", "last_updated_at")]:
            wrong.append(("report", id_, *times))
        if not row.frozen or any(theirs[name] != value for name, value in ours.items()):
            wrong.append(("report", id_, ours))
    our_lines = {_line_of_ours(line) for line in await session.scalars(select(ContributionLine))}
    their_lines = {line for item in truth.state.get("employee_breakdown", []) for line in _lines_of_kota(item)}
    return wrong + [("line", *line) for line in our_lines ^ their_lines]


def _line_of_ours(line: ContributionLine) -> Difference:
    days = (line.cover_from.isoformat(), line.cover_to.isoformat(), line.reporting_month.isoformat())
    kinds = (line.category, line.member_type, line.type, line.currency, line.adjustment, line.adjustment_for)
    whose = (line.report_id, line.kota_employee_id, line.payer, line.id, line.policy_id)
    return (*whose, *kinds, *days, line.amount, line.note)


def _lines_of_kota(item: dict[str, Any]) -> Iterator[Difference]:
    for payer in ("employer", "employee"):
        for line in item["health_insurance"][f"{payer}_contributions"]:
            days = (line["cover_period"]["from_date"], line["cover_period"]["to_date"], line["reporting_month"])
            kinds = (line["category"], line["member_type"], line["type"], item["currency"])
            adjusted = (line["adjustment"], line["adjustment_for"])
            whose = (item["contribution_report_id"], item["employee_id"], payer, line["id"], line["policy_id"])
            yield (*whose, *kinds, *adjusted, *days, Decimal(str(line["amount"])), line["note"])
