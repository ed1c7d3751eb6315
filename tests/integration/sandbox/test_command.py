import asyncio
import signal
import socket
import sys
from pathlib import Path

import httpx

from tests.support.waiting import until

KOTA_BFF = Path(sys.executable).parent / "kota-bff"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_the_command_runs_a_sandbox_until_it_is_told_to_end(tmp_path: Path) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        KOTA_BFF, "sandbox", "--port", str(port), "--api-key", "pk_test_made_up", "--kind", cwd=tmp_path
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def answers() -> bool:
                try:
                    answer = await client.get("/employers", headers={"authorization": "Bearer pk_test_made_up"})
                except httpx.ConnectError:
                    return False
                return answer.status_code == 200

            await until(answers, seconds=30)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
    assert process.returncode in (0, -signal.SIGTERM)
