"""Addresses: what is taken for one, and what is refused."""

import pytest
from sqlalchemy import make_url

from app.settings.values import _DATABASE_PARAMETERS
from tests.unit.settings.conftest import Faults, Load


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@db.example.com:5432/kota",
        "postgres://u:p@db.example.com/kota",
        "postgresql+asyncpg://u@localhost/kota",
        "postgresql://u:p%40w%2Frd:x@[::1]:5432/kota?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql:///kota?host=/var/run/postgresql",
    ],
)
def test_database_is_named_in_any_usual_spelling(load: Load, url: str) -> None:
    assert load(DATABASE_URL=url).direct_url == url
    assert make_url(url).database == "kota"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:p@db/kota",
        "postgresql://u:p@db",
        "postgresql://u:p@db/",
        "postgresql://u:p@db:port/kota",
        "postgresql://u:p@ss@db/kota",
        "postgresql://u:p/ss@db/kota",
        "postgresql://u:p#ss@db/kota",
        "postgresql://u:p@db/kota?channel_binding=require",
        "postgresql://u:p@db/kota?application_name=x",
        "postgresql://u:p@db/kota#fragment",
        " postgresql://u:p@db/kota",
        "kota",
    ],
)
def test_what_the_driver_would_not_understand_is_refused_before_it_is_tried(faults: Faults, url: str) -> None:
    (fault,) = faults(DATABASE_URL=url)
    assert fault.startswith("DATABASE_URL: ")


def test_parameters_that_may_be_set_are_named(faults: Faults) -> None:
    (fault,) = faults(DATABASE_URL="postgresql://u:p@db/kota?channel_binding=require")
    assert all(name in fault for name in _DATABASE_PARAMETERS)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://kota.example.com/", "https://kota.example.com"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://[::1]:8001/v1/", "http://[::1]:8001/v1"),
    ],
)
def test_address_of_kota_is_kept_without_its_last_slash(load: Load, given: str, kept: str) -> None:
    assert load(KOTA_API_URL=given).kota_api_url == kept


@pytest.mark.parametrize("url", ["https://example.com/path/", "https://example.com/path", "https://example.com/"])
def test_whole_addresses_are_kept_as_they_are_written(load: Load, url: str) -> None:
    settings = load(
        HOST_WEBHOOK_URL=url,
        HOST_WEBHOOK_SECRET="bWFkZS11cC1tYWRlLXVwLW1hZGUtdXAtISEh",
        FRONTEND_JWKS_URL=url,
        FRONTEND_ISSUER="https://id.example.com",
        FRONTEND_AUDIENCE="kota-bff",
        KOTA_SCRIPT_URL=url,
    )
    assert {settings.host_webhook_url, settings.frontend_jwks_url, settings.script_url} == {url}


@pytest.mark.parametrize(
    "url",
    [
        *(
            "kota.example.com",
            "ftp://kota.example.com",
            "https://",
            "https:///path",
            "https://[::1",
            "https://[nobody]",
        ),
        *("https://kota.example.com:port", "https://kota.example.com:70000", "https://kota.example.com:0"),
        *("https://u:p@kota.example.com", "https://u@kota.example.com", "https://@kota.example.com"),
        *("https://kota.example.com?a=b", "https://kota.example.com?", "https://kota.example.com#a"),
        *("https://kota.example.com/a b", "https://kota.example.com\\@evil.example.com"),
        *("https://xn--a.example.com", "https://xn--"),
        *("http://api.kota.io", "http://kota.io", "http://test.api.kota.io"),
    ],
)
def test_what_is_no_address_of_an_interface_is_refused(faults: Faults, url: str) -> None:
    (fault,) = faults(KOTA_API_URL=url)
    assert fault.startswith("KOTA_API_URL: ")


@pytest.mark.parametrize(
    "origin", ["https://app.example.com", "http://localhost:5173", "https://[::1]:8443", "https://app.example.com:8443"]
)
def test_origin_is_taken_as_browsers_send_it(load: Load, origin: str) -> None:
    assert load(FRONTEND_ORIGINS=origin).frontend_origins == (origin,)


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    "origin",
    [
        *("*", "https://*", "https://*.example.com", "null", "app.example.com", "https://app.example.com/"),
        *("https://app.example.com/path", "https://App.example.com", "HTTPS://app.example.com"),
        *("https://app.example.com:443", "http://app.example.com:80", "https://u@app.example.com"),
        *("https://app.example.com?x", "https://app.example.com#x", "https://app.example.com:"),
    ],
)
def test_origin_that_no_browser_would_send_is_refused(faults: Faults, origin: str) -> None:
    (fault,) = faults(FRONTEND_ORIGINS=origin)
    assert fault.startswith("FRONTEND_ORIGINS, item 1: ")
