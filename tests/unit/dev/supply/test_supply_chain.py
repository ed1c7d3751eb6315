"""What watches over secrets and dependencies sees what it should see, and nothing else."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.service_keys import new_key
from app.dev.supply.sbom import bill
from app.dev.supply.secret_scan import findings, main
from app.dev.supply.vulnerabilities import judged
from tests.support.app import Host

ROOT = Path(__file__).parents[4]
PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.threat(20)
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PEM.decode(), "private key"),
        (PEM.decode().replace("\n", "\\n"), "private key"),
        ("pk_live_" + "a1b2c3d4e5f6a7b8", "Kota live key"),
        ("pk_test_" + "a1b2c3d4e5f6a7b8c9d0", "Kota test key"),
        (f"SERVICE_KEY={new_key()}", "service key"),
        (Host().token(), "signed token"),
        ("whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1Q=", "webhook secret"),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "AWS key"),
        ("ghp_" + "a" * 36, "GitHub token"),
        ("postgresql://user:" + "correct-horse-battery@db/x", "password in a URL"),
        (f"ENCRYPTION_KEYS={Fernet.generate_key().decode()}", "encryption key"),
    ],
    ids=lambda value: value if " " in value and len(value) < 20 else "",
)
def test_secret_is_found_by_its_form(text: str, kind: str) -> None:
    assert (2, kind) in set(findings(f"one line\n{text}\n")), text


@pytest.mark.parametrize(
    "text", ["pk_test_made_up", "pk_live_...", "postgresql://user:made-up-password@db/x", "a" * 64]
)
def test_what_says_that_it_is_made_up_is_none(text: str) -> None:
    assert list(findings(text)) == []


@pytest.mark.threat(20)
def test_nothing_that_git_tracks_holds_a_secret() -> None:
    assert main() == 0


@pytest.mark.threat(20)
def test_known_vulnerability_fails_and_an_unreachable_database_warns() -> None:
    clean = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
    holed = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}]}
    assert judged(0, json.dumps(clean)) == (0, "no known vulnerability in 1 packages")
    assert judged(1, json.dumps(holed)) == (1, "known vulnerabilities:\na 1: CVE-1")
    for output in ("", "{}", "[]", "Traceback"):
        status, said = judged(1, output)
        assert (status, said.partition(":")[0]) == (0, "warning")


@pytest.mark.threat(20)
def test_bill_of_materials_names_every_pinned_package_with_its_hashes() -> None:
    document = bill(ROOT)
    pinned = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line and line[0] != " "]
    assert len(document["components"]) == len(pinned) > 20
    assert all(component["hashes"] for component in document["components"])
    assert {"fastapi", "sqlalchemy"} <= {component["name"] for component in document["components"]}
