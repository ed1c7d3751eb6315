"""The environment of a command that runs in this process."""

import pytest

from tests.support.app import Host, settings_for


def set_environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> str:
    """What every command needs, on that database; returns its URL. Nothing answers for Kota."""
    settings = settings_for(database_url, host=Host())
    values = {
        "DATABASE_URL": database_url,
        "KOTA_API_URL": settings.kota_api_url,
        "KOTA_API_KEY": settings.kota_api_key.get_secret_value(),
        "ENCRYPTION_KEYS": settings.encryption_keys[0].get_secret_value(),
        "LOOKUP_KEY": settings.lookup_key.get_secret_value(),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return database_url
