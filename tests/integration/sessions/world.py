"""Employers and employees as sync and events would have left them."""

from typing import Any

from sqlalchemy import select

from app.models import Employee, Employer, SessionGrant, SyncState
from tests.support.app import RunningApp, RunningSandbox
from tests.support.records import employee_record, employer_record


def employer_row(ref: str = "acme", **values: Any) -> Employer:
    """An employer that is active at Kota."""
    return Employer(**(_at_kota(ref, f"er_{ref}") | values))


def employee_row(ref: str = "mary", employer_ref: str = "acme", **values: Any) -> Employee:
    """An employee that is active at Kota."""
    return Employee(**(_at_kota(ref, f"ee_{ref}") | {"employer_ref": employer_ref} | values))


def _at_kota(ref: str, kota_id: str) -> dict[str, Any]:
    return {
        "ref": ref,
        "kota_id": kota_id,
        "kota_status": "active",
        "desired": {},
        "desired_digest": b"d",
        "state": SyncState.SYNCED,
    }


async def store(app: RunningApp, *rows: Any) -> None:
    async with app.app.state.services.sessions.begin() as session:
        for row in rows:
            session.add(row)
            await session.flush()


async def grants(app: RunningApp) -> list[SessionGrant]:
    async with app.app.state.services.sessions.begin() as session:
        return list(await session.scalars(select(SessionGrant).order_by(SessionGrant.granted_at)))


async def register(sandbox: RunningSandbox) -> tuple[str, str]:
    """Kota's ids of a new employer and an employee of it."""
    employer = await _post(sandbox, "/employers", employer_record())
    record = {name: value for name, value in employee_record("-").items() if name != "employer_ref"}
    return employer, await _post(sandbox, "/employees", record | {"employer_id": employer})


async def _post(sandbox: RunningSandbox, path: str, body: dict[str, Any]) -> str:
    answer = await sandbox.http.post(path, json=body, headers={"Idempotency-Key": f"test{path}"})
    assert answer.is_success, answer.text
    return str(answer.json()["id"])
