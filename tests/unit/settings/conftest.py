"""An environment that makes a configuration, for tests that spoil it."""

from collections.abc import Mapping
from typing import Protocol

import pytest
from cryptography.fernet import Fernet

from app.settings import BadConfiguration, Settings, load_settings

GOOD: Mapping[str, str] = {
    "DATABASE_URL": "postgresql://postgres:made-up@127.0.0.1/postgres",
    "KOTA_API_KEY": "pk_test_" + "made-up",
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "LOOKUP_KEY": "made-up " * 4,
}


class Load(Protocol):
    def __call__(self, **variables: str | None) -> Settings: ...


class Faults(Protocol):
    def __call__(self, **variables: str | None) -> list[str]: ...


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The settings under that environment with some variables changed, None for one that is not set."""

    def load(**variables: str | None) -> Settings:
        for name, value in variables.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return load_settings()

    return load


@pytest.fixture
def faults(load: Load) -> Faults:
    """What the same is refused with, line by line."""

    def faults(**variables: str | None) -> list[str]:
        with pytest.raises(BadConfiguration) as caught:
            load(**variables)
        return str(caught.value).splitlines()

    return faults
