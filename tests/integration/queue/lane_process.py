"""A process with one lane, for tests that signal it: `python -m … URL LEASE_SECONDS GRACE_SECONDS ends|hangs`.

It has one job in flight at a time, and says on standard output which it started. The job ends when the process was told
to stop, or never.
"""

import asyncio
import signal
import sys
from datetime import timedelta

from cryptography.fernet import Fernet

from app.db.encryption import Keyring
from app.db.engine import create_engine, create_sessions
from app.queue.bell import Bell
from app.queue.lanes import run_lane
from tests.integration.queue import rows


async def main(url: str, lease: float, grace: float, *, hangs: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = create_engine(url, keyring=Keyring([Fernet.generate_key().decode()]), application_name="lane")
    sessions = create_sessions(engine)

    async def work(job: rows.Job) -> None:
        print(job.id, flush=True)
        await (asyncio.Event() if hangs else stop).wait()
        await rows.settle(sessions, job)

    lane = rows.lane(work, in_flight=1, lease=timedelta(seconds=lease))
    await run_lane(lane, sessions=sessions, bell=Bell(url), stop=stop, grace=timedelta(seconds=grace))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), hangs=sys.argv[4] == "hangs"))
