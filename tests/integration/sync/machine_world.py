"""What happens to a host, to us and to Kota while records are brought there, and what must be so in the end."""

import random
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
from cryptography.fernet import Fernet
from sqlalchemy import update

from app.models import Employee, Employer
from tests.integration.sync.leaving import REASON, SOON
from tests.support.app import API_KEY, RunningSandbox, running_sandbox
from tests.support.kota_holds import held_by_kota, held_fields, untidy
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, world_on

Record = dict[str, Any]
KEYS = (API_KEY, "pk_test_" + "another")
EMPLOYER_OF = {"e1": "acme", "e2": "acme", "e3": "beta"}
SETTLES_WITHIN = 60.0
SETTINGS = {
    "sync_wait": 0,
    "encryption_keys": (Fernet.generate_key().decode(),),
    "lookup_key": "a made-up key that is long enough for all",
}


class MachineWorld:
    """`wanted` is the last accepted record by path; `left` are the paths of those whose offboarding was begun."""

    def __init__(self) -> None:
        self._resources = AsyncExitStack()
        self._app = AsyncExitStack()
        self._url = ""
        self._key = 0
        self._kota: RunningSandbox
        self.world: SyncWorld
        self.wanted: dict[str, Record] = {}
        self.left: set[str] = set()

    async def open(self, url: str) -> None:
        self._url = url
        # Lists lag by less than what we take it for.
        unkind = {"api_keys": list(KEYS), "normalise": True, "list_lag": 0.15, "drift": 0.1, "answers_late": 0.2}
        self._kota = await self._resources.enter_async_context(running_sandbox(**unkind))
        await self._start()

    async def close(self) -> None:
        await self._app.aclose()
        await self._resources.aclose()

    async def put(self, path: str, changes: Record, rng: random.Random) -> None:
        """PUT a whole record. A member of `changes` that is None is left out."""
        kind, _, ref = path.partition("/")
        whole = employer_record() if kind == "employers" else employee_record(EMPLOYER_OF[ref])
        record = untidy({name: value for name, value in (whole | changes).items() if value is not None}, rng)
        answer = await self.world.call("PUT", path, record)
        if answer.status_code in {200, 201, 202}:
            self.wanted[path] = record
            return
        refusal = answer.status_code, answer.json()["code"]
        last = self.wanted.get(path, {})
        cleared = last.keys() - record.keys()
        otherwise_born = last.get("date_of_birth", "") != record.get("date_of_birth", "")
        allowed = set()
        if last and (cleared or otherwise_born):
            allowed = {(422, "cannot_clear"), (422, "immutable_field"), (409, "sync_in_flight")}
        if path == "employees/e3" and "employers/beta" not in self.wanted:
            allowed |= {(422, "unknown_employer")}
        if path in self.left:
            allowed |= {(409, "offboarded")}
        assert refusal in allowed, answer.text

    async def put_again(self, path: str) -> None:
        """The same record once more."""
        if path in self.wanted and path not in self.left:
            answer = await self.world.call("PUT", path, self.wanted[path])
            assert (answer.status_code, answer.json()["changed"]) in {(200, False), (202, False)}, answer.text

    async def withdraw(self, path: str) -> None:
        answer = await self.world.call("DELETE", path)
        if answer.status_code == httpx.codes.NO_CONTENT:
            del self.wanted[path]
        elif answer.status_code == httpx.codes.NOT_FOUND:
            assert path not in self.wanted
        else:
            assert (answer.status_code, answer.json()["code"]) in {(409, "use_offboarding"), (409, "has_employees")}

    async def offboard(self, path: str) -> None:
        """As a person does it, in two steps; whatever fails is left at that."""
        preview = await self.world.call("POST", f"{path}/offboarding/preview", {})
        if preview.status_code != httpx.codes.OK:
            assert preview.status_code in {404, 409, 503}, preview.text
            return
        body = {"confirmation_token": preview.json()["confirmation_token"], "offboard_on": SOON, **REASON}
        answer = await self.world.call("POST", f"{path}/offboarding", body)
        assert answer.status_code in {200, 202, 409, 422, 503}, answer.text
        if answer.status_code in {200, 202}:
            self.left.add(path)

    async def leave_at_kota(self, path: str) -> None:
        """Somebody offboards the employee in Kota's own pages."""
        for found in await self.world.at_kota("employee"):
            if f"employees/{found['metadata']['id']}" == path:
                self.left.add(path)
                await self._kota.control("POST", "advance", {"id": found["id"], "status": "inactive"})

    async def change_status(self, number: int, status: str) -> None:
        employees = [
            found
            for found in await self.world.at_kota("employee")
            if f"employees/{found['metadata']['id']}" not in self.left
        ]
        if employees:
            id_ = employees[number % len(employees)]["id"]
            await self._kota.control("POST", "advance", {"id": id_, "status": status})

    async def restart(self, *, other_key: bool) -> None:
        """Every process ends where it stands; new ones start, perhaps with another API key."""
        self._key ^= other_key
        await self.world.crash_worker()
        await self._app.aclose()
        await self._start()

    async def refuse_key(self) -> None:
        """Kota takes only the other API key until it is told otherwise."""
        await self._kota.control("POST", "keys", {"api_keys": [KEYS[1 - self._key]]})

    async def take_keys(self) -> None:
        await self._kota.control("POST", "keys", {"api_keys": list(KEYS)})

    async def let_an_hour_pass(self) -> None:
        """While nobody works: at Kota, and for what we have written down."""
        await self.world.crash_worker()
        await self._kota.control("POST", "advance", {"clock_seconds": 3700})
        hour = timedelta(seconds=3700)
        async with self.world.services.sessions.begin() as session:
            for model in (Employer, Employee):
                await session.execute(
                    update(model)
                    .where(model.push_key.is_not(None))
                    .values(push_started_at=model.push_started_at - hour, push_tried_at=model.push_tried_at - hour)
                    .execution_options(synchronize_session=False)
                )
        self.world.start_worker()

    async def nobody_stands_twice(self) -> None:
        for kind in ("employer", "employee"):
            refs = [found["metadata"]["id"] for found in await self.world.at_kota(kind)]
            assert len(refs) == len(set(refs)), refs

    async def ends_as_wanted(self) -> None:
        """Once nothing fails any more: Kota has every record as it was sent last, and no other; and that is all."""
        await self._kota.control("DELETE", "faults")
        await self.take_keys()
        for path in self.wanted.keys() - self.left:
            await self.world.until(path, within=SETTLES_WITHIN, state="synced")
        at_kota = {
            f"{kind}s/{found['metadata']['id']}": found
            for kind in ("employer", "employee")
            for found in await self.world.at_kota(kind)
        }
        assert at_kota.keys() == self.wanted.keys()
        for path, record in self.wanted.items():
            found = at_kota[path]
            if path in self.left:
                assert found["status"] in {"offboarding", "inactive"} or found["offboard_on"] is None
                continue
            expected = held_by_kota(record, ref=path.partition("/")[2], employer_id=found.get("employer_id"))
            assert held_fields(found) == expected, path
        await self._is_at_rest()

    async def _is_at_rest(self) -> None:
        before = await self._writes()
        for path in self.wanted.keys() - self.left:
            answer = await self.world.call("PUT", path, self.wanted[path])
            assert (answer.status_code, answer.json()["changed"]) == (200, False), answer.text
        assert await self._writes() == before

    async def _writes(self) -> int:
        """How many creates and updates Kota was asked for."""
        calls = [call for method in ("POST", "PUT") for call in await self.world.requests(method, "/employe*")]
        return len([call for call in calls if not call["path"].endswith("/offboard")])

    async def _start(self) -> None:
        settings = SETTINGS | {"kota_api_key": KEYS[self._key]}
        self.world = await self._app.enter_async_context(world_on(self._url, self._kota, **settings))
        self.world.start_worker()
