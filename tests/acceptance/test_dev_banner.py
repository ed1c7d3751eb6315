import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.processes import wait_until
from tests.support.dev_command import DevCommand, all_gone

pytestmark = pytest.mark.acceptance


def shell(script: str) -> str:
    ran = subprocess.run(
        ["/bin/sh", "-e", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def sourced(dev_env: Path, name: str) -> str:
    return shell(f""". "{dev_env}"; printf %s "${name}" """)


def employee_at(dev: DevCommand) -> dict[str, object]:
    url, key = sourced(dev.dev_env, "KOTA_BFF_URL"), sourced(dev.dev_env, "SERVICE_KEY")
    answer = httpx.get(f"{url}/internal/employees/ada", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    found: dict[str, object] = json.loads(answer.text)
    return found


def test_examples_of_the_banner_work_and_their_data_outlives_the_stack(data_dir: Path) -> None:
    with DevCommand(data_dir) as dev:
        dev.wait_until_ready()
        assert dev.dev_env.stat().st_mode & 0o777 == 0o600
        said = shell(dev.examples())
        assert '"token"' in said
        assert '"status":"accepted"' in said.replace(" ", "")
        before = employee_at(dev)
        assert before["kota_id"]
        secrets = {name: sourced(dev.dev_env, name) for name in ("SERVICE_KEY", "WEBHOOK_SECRET", "ENCRYPTION_KEYS")}
        family = dev.family()
        assert len(family) > 8
        dev.process.terminate()
        assert dev.process.wait(60) == 0
        wait_until(lambda: all_gone(family))
        assert not dev.dev_env.exists()

    with DevCommand(data_dir) as dev:
        dev.wait_until_ready()
        assert {name: sourced(dev.dev_env, name) for name in secrets} == secrets
        assert employee_at(dev)["kota_id"] == before["kota_id"]
        shell(dev.examples())
