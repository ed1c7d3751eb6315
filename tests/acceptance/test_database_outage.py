"""The database away under load: no delivery that was answered 200 is lost, the others are told when to come back.

OUTAGE_SECONDS is how long it is away; `make soak` takes longer.
"""

import asyncio
import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.kota import SIGNATURE_HEADER, sign
from tests.processes import wait_until
from tests.support.stack import Stack

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "3"))
SENDERS = 4
MEMORY_GROWTH_MIB = 64

pytestmark = pytest.mark.acceptance


class Sender(threading.Thread):
    """Delivers distinct events until told to stop, and remembers which were answered how."""

    def __init__(self, stack: Stack, number: int) -> None:
        super().__init__()
        self._stack = stack
        self._name = f"evt_{number}"
        self.stop_it = threading.Event()
        self.stored: set[str] = set()
        self.refused: list[httpx.Response] = []

    def run(self) -> None:
        with httpx.Client(base_url=self._stack.api_urls[0], timeout=30) as kota:
            number = 0
            while not self.stop_it.is_set():
                number += 1
                id_ = f"{self._name}_{number}"
                body = json.dumps({"id": id_, "type": "no.such.type", "data": {}}).encode()
                signature = sign(body, secret=self._stack.webhook_secret.encode(), at=datetime.now(UTC))
                answer = kota.post("/webhooks/kota", content=body, headers={SIGNATURE_HEADER: signature})
                if answer.status_code == httpx.codes.OK:
                    self.stored.add(id_)
                else:
                    self.refused.append(answer)


def test_no_answered_delivery_is_lost_and_the_service_recovers_by_itself(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", workers=0) as stack:
        senders = [Sender(stack, number) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        wait_until(lambda: all(len(sender.stored) > 20 for sender in senders))
        before = _resident_mib(stack.apis[0].pid)
        pid = stack.apis[0].pid
        stack.postgres.stop()
        time.sleep(SECONDS)
        during = _resident_mib(stack.apis[0].pid)
        stack.postgres.start()
        counts = [len(sender.stored) for sender in senders]
        wait_until(lambda: all(len(sender.stored) > count + 20 for sender, count in zip(senders, counts, strict=True)))
        for sender in senders:
            sender.stop_it.set()
        for sender in senders:
            sender.join()
        acknowledged = {id_ for sender in senders for id_ in sender.stored}
        refused = [answer for sender in senders for answer in sender.refused]
        stored = asyncio.run(_stored(stack.postgres.url))
        assert acknowledged <= stored
        assert refused
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert during - before < MEMORY_GROWTH_MIB
        assert stack.apis[0].pid == pid
        assert stack.apis[0].poll() is None


async def _stored(url: str) -> set[str]:
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        return {row["id"] for row in await connection.fetch("SELECT id FROM kota_events")}
    finally:
        await connection.close()


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
