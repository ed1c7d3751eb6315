import pytest

from app.kota import Mode, key_fingerprint, mismatch, mode_of, script_url
from app.kota.environment import mode_of_host

TEST_KEY, LIVE_KEY = "pk_test_" + "made-up", "pk_live_" + "made-up"
TEST_URL, LIVE_URL, SANDBOX_URL = "https://test.api.kota.io", "https://api.kota.io", "http://127.0.0.1:8001"


@pytest.mark.parametrize(
    ("api_url", "api_key", "expected"),
    [
        (TEST_URL, TEST_KEY, Mode.TEST),
        (LIVE_URL, LIVE_KEY, Mode.LIVE),
        (SANDBOX_URL, TEST_KEY, Mode.TEST),
        (SANDBOX_URL, LIVE_KEY, Mode.LIVE),
        (TEST_URL, "other", Mode.TEST),
        (SANDBOX_URL, "other", None),
    ],
)
def test_the_mode_follows_from_key_and_host(api_url: str, api_key: str, expected: Mode | None) -> None:
    assert mode_of(api_url=api_url, api_key=api_key) is expected


@pytest.mark.parametrize("url", [LIVE_URL, "https://API.KOTA.IO:443/", "https://api.kota.io./x"])
def test_a_host_is_known_however_it_is_written(url: str) -> None:
    assert mode_of_host(url) is Mode.LIVE


@pytest.mark.parametrize("url", ["https://api.kota.io.example.com", "https://example.com/api.kota.io", "nonsense"])
def test_another_host_has_no_mode(url: str) -> None:
    assert mode_of_host(url) is None


def test_a_key_and_a_host_of_different_modes_do_not_fit() -> None:
    assert mismatch(api_url=LIVE_URL, api_key=TEST_KEY)
    assert mismatch(api_url=TEST_URL, api_key=LIVE_KEY)
    assert not mismatch(api_url=LIVE_URL, api_key=LIVE_KEY)
    assert not mismatch(api_url=SANDBOX_URL, api_key=LIVE_KEY)
    assert not mismatch(api_url=LIVE_URL, api_key="other")


def test_each_mode_has_its_own_script() -> None:
    assert script_url(Mode.TEST) == "https://test.js.kota.io/v1"
    assert script_url(Mode.LIVE) == "https://js.kota.io/v1"


def test_a_fingerprint_tells_keys_apart_and_shows_neither() -> None:
    assert key_fingerprint(TEST_KEY) == key_fingerprint(TEST_KEY)
    assert key_fingerprint(TEST_KEY) != key_fingerprint(LIVE_KEY)
    assert "made-up" not in key_fingerprint(TEST_KEY)
