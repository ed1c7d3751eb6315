import os
import subprocess
from pathlib import Path

import pytest

from app.dev.credentials import Credentials, read_or_make_credentials
from app.dev.environment import Addresses, quote, sandbox_environment, service_environment, write_dev_env
from app.settings import load_settings

ADDRESSES = Addresses("postgresql+asyncpg://postgres:made-up@127.0.0.1:5433/postgres", port=8000, sandbox_port=8001)


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return read_or_make_credentials(tmp_path / "credentials.json")


def sourced(path: Path) -> dict[str, str]:
    """What a shell and the programs that it starts have after sourcing the file."""
    shell = ["/bin/sh", "-e", "-c", '. "$1" && env -0', "sh", str(path)]
    ran = subprocess.run(shell, env={"PATH": os.defpath}, check=True, capture_output=True, text=True)
    return dict(line.split("=", 1) for line in ran.stdout.split("\0") if line)


@pytest.mark.parametrize("value", ["", "plain", "it's", 'a "b" $HOME `id` \\n', "two\nlines", "a b;c#d"])
def test_quoted_word_stands_for_itself_in_a_shell(value: str) -> None:
    ran = subprocess.run(["/bin/sh", "-c", f"printf %s {quote(value)}"], check=True, capture_output=True, text=True)
    assert ran.stdout == value


def test_sourced_file_makes_a_configuration(
    tmp_path: Path, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "with 'quotes' and spaces" / "dev.env"
    path.parent.mkdir()
    service = service_environment(credentials, ADDRESSES)
    write_dev_env(path, service=service, credentials=credentials, addresses=ADDRESSES)

    assert path.stat().st_mode & 0o777 == 0o600
    found = sourced(path)
    assert service.items() <= found.items()
    assert found["KOTA_BFF_URL"] == "http://127.0.0.1:8000"
    assert found["SANDBOX_URL"] == "http://127.0.0.1:8001"
    assert found["SERVICE_KEY"] == credentials.service_key
    assert found["WEBHOOK_SECRET"] == credentials.webhook_secret
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.database_url.get_secret_value() == ADDRESSES.database_url
    assert settings.kota_webhook_secrets[0].get_secret_value() == credentials.webhook_secret


def test_callers_own_settings_are_taken_along_unless_the_stack_decides_them(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_WAIT", "1")
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("DATABASE_DIRECT_URL", "postgresql://elsewhere.example/production")
    monkeypatch.setenv("FRONTEND_JWKS_URL", "https://login.example/jwks")
    monkeypatch.setenv("KOTA_API_URL", "https://api.kota.io")

    for name, value in service_environment(credentials, ADDRESSES).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.sync_wait.total_seconds() == 1
    assert settings.log_format == "json"
    assert settings.direct_url == ADDRESSES.database_url
    assert settings.frontend_jwks_url is None
    assert settings.kota_api_url == ADDRESSES.sandbox_url


def test_sandbox_and_service_agree_on_keys(credentials: Credentials, tmp_path: Path) -> None:
    service = service_environment(credentials, ADDRESSES)
    sandbox = sandbox_environment(credentials, ADDRESSES, data_dir=tmp_path)
    assert sandbox["SANDBOX_API_KEYS"] == service["KOTA_API_KEY"]
    assert sandbox["SANDBOX_WEBHOOK_SECRETS"] == service["KOTA_WEBHOOK_SECRETS"]
    assert sandbox["SANDBOX_PLATFORM_ID"] == service["KOTA_PLATFORM_ID"]
    assert sandbox["SANDBOX_WEBHOOK_URL"] == "http://127.0.0.1:8000/webhooks/kota"
