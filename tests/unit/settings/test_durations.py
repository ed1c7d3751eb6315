from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from app.settings import BadConfiguration, load_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres:made-up@127.0.0.1/postgres")
    monkeypatch.setenv("KOTA_API_KEY", "pk_test_" + "made-up")
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("LOOKUP_KEY", "made-up " * 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", timedelta(seconds=3)), ("0.25", timedelta(milliseconds=250)), ("PT4S", timedelta(seconds=4))],
)
def test_duration_is_seconds_or_iso_8601(monkeypatch: pytest.MonkeyPatch, text: str, expected: timedelta) -> None:
    monkeypatch.setenv("SYNC_WAIT", text)
    monkeypatch.setenv("LOOK_EVERY", text)
    settings = load_settings()
    assert settings.sync_wait == settings.look_every == expected


@pytest.mark.parametrize("text", ["-3", "soon", "3 s", "nan", "inf"])
def test_what_is_no_duration_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LOOK_EVERY", text)
    with pytest.raises(BadConfiguration, match="LOOK_EVERY"):
        load_settings()


def test_bounds_hold_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_WAIT", "61")
    with pytest.raises(BadConfiguration, match="SYNC_WAIT"):
        load_settings()
