"""The settings as a whole: what is told of faults, and what must not stand beside each other."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.kota import Mode
from app.settings import Settings
from tests.unit.settings.conftest import GOOD, Faults, Load

LIVE_KEY = "pk_live_" + "made-up"
MARK = "xyzzy-made-up"
SIGNING_KEY = Ed25519PrivateKey.generate()
PRIVATE_PEM = SIGNING_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = SIGNING_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
UnusedKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed448.Ed448PrivateKey | dsa.DSAPrivateKey
TOKENS = {"FRONTEND_ISSUER": "https://id.example.com", "FRONTEND_AUDIENCE": "kota-bff"}


def names(faults: list[str]) -> set[str]:
    return {line.partition(":")[0] for line in faults}


def test_four_variables_are_enough(load: Load) -> None:
    settings = load()
    assert settings.environment is Mode.TEST
    assert settings.kota_webhook_secrets == ()
    assert settings.direct_url == GOOD["DATABASE_URL"]


def test_without_any_variable_all_that_is_needed_is_listed(faults: Faults) -> None:
    assert names(faults(**dict.fromkeys(GOOD))) == set(GOOD)


def test_empty_variable_is_one_that_is_not_set(load: Load, faults: Faults) -> None:
    assert load(SYNC_WAIT="").sync_wait == timedelta(seconds=5)
    assert names(faults(LOOKUP_KEY="")) == {"LOOKUP_KEY"}


def test_every_fault_is_listed_at_once(faults: Faults) -> None:
    found = faults(
        DATABASE_URL="mysql://127.0.0.1/db",
        KOTA_API_KEY="sk_made-up",
        KOTA_MAX_IN_FLIGHT="many",
        PUSH_LEASE="1",
        RESOURCE_LEASE="1",
        FRONTEND_JWKS_URL="https://id.example.com/keys",
        HOST_WEBHOOK_URL="ftp://host.example.com",
        SERVICE_KEYS="payroll",
        LOOKUP_KEY="short",
        LOG_LEVEL="loud",
    )
    assert names(found) == {
        *("DATABASE_URL", "KOTA_API_KEY", "KOTA_MAX_IN_FLIGHT", "PUSH_LEASE", "RESOURCE_LEASE", "FRONTEND_ISSUER"),
        *("FRONTEND_AUDIENCE", "HOST_WEBHOOK_URL", "SERVICE_KEYS, item 1", "LOOKUP_KEY", "LOG_LEVEL"),
    }
    assert len(found) == 11


@pytest.mark.threat(26)
@pytest.mark.parametrize(
    "spoiled",
    [MARK, f"http://[{MARK}]/", f"https://{MARK}:{MARK}@host", f"postgresql://u:{MARK}@[{MARK}/db", f"{MARK}," * 3],
    ids=["word", "address", "credentials", "database", "list"],
)
def test_no_fault_shows_a_value(faults: Faults, spoiled: str) -> None:
    free_text = {"KOTA_PLATFORM_ID", "OPS_HOST", "FRONTEND_ISSUER", "FRONTEND_AUDIENCE", "KOTA_WEBHOOK_SECRETS"}
    variables = {name.upper(): spoiled for name in Settings.model_fields if not name.startswith("claim_")}
    found = faults(**variables)
    assert set(variables) - {name.partition(",")[0] for name in names(found)} <= free_text | {"LOOKUP_KEY"}
    assert MARK not in "\n".join(found)


@pytest.mark.threat(26)
def test_settings_show_no_secret(load: Load) -> None:
    settings = load(
        DATABASE_URL=f"postgresql://u:{MARK}@127.0.0.1/db",
        KOTA_API_KEY=f"pk_test_{MARK}",
        KOTA_WEBHOOK_SECRETS=MARK,
        LOOKUP_KEY=MARK * 3,
    )
    assert MARK not in repr(settings)


def test_item_of_a_list_is_counted_from_one(faults: Faults) -> None:
    digest = "0" * 64
    found = faults(SERVICE_KEYS=f"payroll:{digest},hr:{digest},portal:{digest[1:]}")
    assert names(found) == {"SERVICE_KEYS, item 3"}


def test_lists_are_separated_by_commas_and_forgive_spaces(load: Load) -> None:
    settings = load(
        KOTA_WEBHOOK_SECRETS=" new , old,,",
        FRONTEND_ORIGINS="https://app.example.com, http://127.0.0.1:5173",
        SERVICE_KEYS=f"payroll:{'0' * 64},hr:{'1' * 64}",
    )
    assert [secret.get_secret_value() for secret in settings.kota_webhook_secrets] == ["new", "old"]
    assert settings.frontend_origins == ("https://app.example.com", "http://127.0.0.1:5173")
    assert len(settings.service_keys) == 2


def test_encryption_keys_keep_their_order(load: Load, faults: Faults) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(3)]
    assert [key.get_secret_value() for key in load(ENCRYPTION_KEYS=",".join(keys)).encryption_keys] == keys
    assert names(faults(ENCRYPTION_KEYS=f"{keys[0]},{keys[1][:-4]}")) == {"ENCRYPTION_KEYS, item 2"}
    assert names(faults(ENCRYPTION_KEYS=",")) == {"ENCRYPTION_KEYS"}


@pytest.mark.threat(26)
@pytest.mark.parametrize(
    ("key", "url", "fits"),
    [
        ("pk_test_" + "made-up", "https://test.api.kota.io", True),
        (LIVE_KEY, "https://api.kota.io", True),
        ("pk_test_" + "made-up", "https://api.kota.io", False),
        (LIVE_KEY, "https://test.api.kota.io", False),
        (LIVE_KEY, "https://TEST.API.KOTA.IO/", False),
        ("pk_test_" + "made-up", "http://127.0.0.1:8001", True),
        (LIVE_KEY, "https://kota.internal:8443", True),
        (LIVE_KEY, "http://127.0.0.1:8001", False),
    ],
)
def test_test_key_and_live_host_do_not_start_nor_the_reverse(
    load: Load, faults: Faults, key: str, url: str, *, fits: bool
) -> None:
    if fits:
        assert load(KOTA_API_KEY=key, KOTA_API_URL=url).environment is (Mode.LIVE if key == LIVE_KEY else Mode.TEST)
    else:
        assert names(faults(KOTA_API_KEY=key, KOTA_API_URL=url)) == {"KOTA_API_KEY"}


def test_live_key_without_an_address_does_not_go_to_the_test_host(faults: Faults) -> None:
    assert names(faults(KOTA_API_KEY=LIVE_KEY)) == {"KOTA_API_KEY"}


@pytest.mark.threat(26)
@pytest.mark.parametrize(("name", "value"), [("DEV_SIGNING_KEY", PRIVATE_PEM), ("LOG_FORMAT", "console")])
def test_what_is_for_development_does_not_stand_beside_a_live_key(
    load: Load, faults: Faults, name: str, value: str
) -> None:
    load(**{name: value})
    live = {"KOTA_API_KEY": LIVE_KEY, "KOTA_API_URL": "https://api.kota.io"}
    assert names(faults(**live, **{name: value})) == {name}
    load(**live, **{name: None})


@pytest.mark.threat(26)
def test_beside_a_live_key_everything_is_fetched_and_told_over_https(load: Load, faults: Faults) -> None:
    plain = {
        "KOTA_SCRIPT_URL": "http://cdn.example.com/kota.js",
        "FRONTEND_JWKS_URL": "http://id.example.com/keys",
        "HOST_WEBHOOK_URL": "http://host.example.com/kota",
    }
    more = {"HOST_WEBHOOK_SECRET": "bWFkZS11cC1tYWRlLXVwLW1hZGUtdXAtISEh", **TOKENS}
    load(**plain, **more)
    live = {"KOTA_API_KEY": LIVE_KEY, "KOTA_API_URL": "https://api.kota.io"}
    found = faults(**live, **plain, **more)
    assert names(found) == set(plain)
    assert all("https://" in line for line in found)
    load(**live, **{name: url.replace("http://", "https://") for name, url in plain.items()}, **more)


def test_lease_outlasts_the_calls_that_are_made_under_it(load: Load, faults: Faults) -> None:
    calls = {"KOTA_READ_TIMEOUT": "4", "KOTA_WRITE_TIMEOUT": "12"}
    assert load(**calls, PUSH_LEASE="20", RESOURCE_LEASE="PT20S").push_lease == timedelta(seconds=20)
    assert names(faults(**calls, PUSH_LEASE="19.9", RESOURCE_LEASE="1")) == {"PUSH_LEASE", "RESOURCE_LEASE"}
    load(**calls, PUSH_LEASE=None, RESOURCE_LEASE=None, OUTBOX_TIMEOUT="4", OUTBOX_LEASE="5")
    assert names(faults(OUTBOX_TIMEOUT="4", OUTBOX_LEASE="4.9")) == {"OUTBOX_LEASE"}


def test_host_that_is_told_of_things_can_check_who_tells_it(load: Load, faults: Faults) -> None:
    secret = "whsec_" + "bWFkZS11cC1tYWRlLXVwLW1hZGUtdXAtISEh"
    url = "https://host.example.com/kota"
    assert load(HOST_WEBHOOK_URL=url, HOST_WEBHOOK_SECRET=secret).host_webhook_url == url
    assert names(faults(HOST_WEBHOOK_SECRET=None)) == {"HOST_WEBHOOK_SECRET"}
    assert names(faults(HOST_WEBHOOK_URL=None, HOST_WEBHOOK_SECRET=secret)) == {"HOST_WEBHOOK_SECRET"}
    assert load(HOST_WEBHOOK_URL=url, HOST_WEBHOOK_SECRET=secret.removeprefix("whsec_")).host_webhook_secret
    for bad in ("made-up", "whsec_short", "whsec_", secret + "!"):
        assert names(faults(HOST_WEBHOOK_URL=url, HOST_WEBHOOK_SECRET=bad)) == {"HOST_WEBHOOK_SECRET"}


def test_tokens_of_frontends_name_who_made_them_and_for_whom(load: Load, faults: Faults) -> None:
    load(FRONTEND_PUBLIC_KEY=PUBLIC_PEM, **TOKENS)
    assert names(faults(FRONTEND_ISSUER=None)) == {"FRONTEND_ISSUER"}
    assert names(faults(FRONTEND_AUDIENCE=None)) == {"FRONTEND_ISSUER", "FRONTEND_AUDIENCE"}


def test_keys_of_frontends_come_from_one_place(faults: Faults) -> None:
    jwks = "https://id.example.com/keys"
    assert names(faults(FRONTEND_JWKS_URL=jwks, FRONTEND_PUBLIC_KEY=PUBLIC_PEM, **TOKENS)) == {"FRONTEND_PUBLIC_KEY"}


def test_keys_in_pem_may_have_their_line_breaks_written_out(load: Load) -> None:
    settings = load(
        FRONTEND_PUBLIC_KEY=PUBLIC_PEM.replace("\n", "\\n"), DEV_SIGNING_KEY=PRIVATE_PEM.replace("\n", "\\n"), **TOKENS
    )
    assert settings.frontend_public_key == PUBLIC_PEM
    assert settings.dev_signing_key
    assert settings.dev_signing_key.get_secret_value() == PRIVATE_PEM


def test_keys_in_pem_are_keys_of_the_right_kind(faults: Faults) -> None:
    found = faults(FRONTEND_PUBLIC_KEY=PRIVATE_PEM, DEV_SIGNING_KEY=PUBLIC_PEM, **TOKENS)
    assert names(found) == {"FRONTEND_PUBLIC_KEY", "DEV_SIGNING_KEY"}


@pytest.mark.threat(26)
@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - it is the weak key that is refused
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(2048),
    ],
    ids=["P-384", "secp256k1", "RSA of 1024 bits", "Ed448", "DSA"],
)
def test_keys_that_no_algorithm_uses_are_listed_beside_all_other_faults(faults: Faults, key: UnusedKey) -> None:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    found = faults(FRONTEND_PUBLIC_KEY=public, DEV_SIGNING_KEY=private, LOOKUP_KEY="short", **TOKENS)
    assert names(found) == {"FRONTEND_PUBLIC_KEY", "DEV_SIGNING_KEY", "LOOKUP_KEY"}
    assert sum("RSA of 2048 bits or more, P-256 or Ed25519" in line for line in found) == 2


def test_every_name_of_a_service_key_stands_once(faults: Faults) -> None:
    assert names(faults(SERVICE_KEYS=f"hr:{'0' * 64},hr:{'1' * 64}")) == {"SERVICE_KEYS"}


def test_script_of_the_right_world_is_named_unless_another_is(load: Load) -> None:
    test, live = load().script_url, load(KOTA_API_KEY=LIVE_KEY, KOTA_API_URL="https://api.kota.io").script_url
    assert test != live
    assert load(KOTA_SCRIPT_URL="https://cdn.example.com/kota.js").script_url == "https://cdn.example.com/kota.js"


def test_pooler_is_gone_around_where_that_is_needed(load: Load) -> None:
    direct = "postgresql://u@127.0.0.1/direct"
    assert load(DATABASE_DIRECT_URL=direct).direct_url == direct
