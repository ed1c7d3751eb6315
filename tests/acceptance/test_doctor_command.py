import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx
import pytest

from tests.processes import wait_until
from tests.support.records import employer_record
from tests.support.stack import API_KEY, Stack

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), workers=0) as running:
        yield running


def _doctor(env: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", *options],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_healthy_stack_is_exit_0(stack: Stack) -> None:
    seen = _doctor(stack.env, "--webhook-url", f"{stack.api_urls[0]}/webhooks/kota")

    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "fault" not in seen.stdout
    assert "PostgreSQL" in seen.stdout


def test_a_fault_is_exit_1_with_advice(stack: Stack) -> None:
    seen = _doctor({**stack.env, "KOTA_API_URL": "http://127.0.0.1:1"})

    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert "fault" in seen.stdout


def test_a_key_of_another_platform_is_a_fault_once_kota_has_an_employer(stack: Stack) -> None:
    env = {**stack.env, "KOTA_PLATFORM_ID": "pt_another"}
    assert _doctor(env).returncode == 0

    key = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "doctor"}
    made = httpx.post(f"{stack.sandbox_url}/employers", json=employer_record(), headers=key)
    assert made.is_success, made.text
    # Kota's lists lag.
    wait_until(lambda: _doctor(env).returncode == 1)
    assert "another platform's" in _doctor(env).stdout
    assert _doctor({**env, "KOTA_PLATFORM_ID": made.json()["platform_id"]}).returncode == 0


def test_a_bad_configuration_is_listed_whole_without_values() -> None:
    seen = _doctor({"KOTA_API_KEY": "made-up-key", "LOOKUP_KEY": "short"})

    assert seen.returncode == 1, seen.stdout + seen.stderr
    for name in ("DATABASE_URL", "KOTA_API_KEY", "ENCRYPTION_KEYS", "LOOKUP_KEY"):
        assert name in seen.stdout
    assert "made-up-key" not in seen.stdout
