from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from app.auth.authenticators import open_frontend_tokens
from app.auth.frontend_tokens import FrontendUser, InvalidToken
from app.cli import app
from app.dev.credentials import read_or_make_credentials
from app.dev.environment import Addresses, service_environment
from app.dev.tokens import sign_frontend_token
from app.settings import BadConfiguration, load_settings

ADDRESSES = Addresses("postgresql+asyncpg://postgres:made-up@127.0.0.1:5433/postgres", port=8000, sandbox_port=8001)
TOKEN = ["token", "--employer", "acme", "--employee", "ada", "--audience", "employer", "--audience", "employee"]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    credentials = read_or_make_credentials(tmp_path / "credentials.json")
    for name, value in service_environment(credentials, ADDRESSES).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def verified(token: str) -> FrontendUser:
    async with AsyncExitStack() as stack:
        return await (await open_frontend_tokens(stack, load_settings())).verify(token)


@pytest.mark.usefixtures("environment")
async def test_printed_token_is_accepted_for_whom_it_names() -> None:
    ran = CliRunner().invoke(app, [*TOKEN, "--external-customer", "customer-7", "--subject", "user-1"])
    assert ran.exit_code == 0
    assert await verified(ran.output.strip()) == FrontendUser(
        subject="user-1",
        employer_ref="acme",
        employee_ref="ada",
        audiences=frozenset({"employer", "employee"}),
        external_customer_id="customer-7",
    )


@pytest.mark.usefixtures("environment")
async def test_employer_token_names_no_employee() -> None:
    ran = CliRunner().invoke(app, ["token", "--employer", "acme", "--audience", "employer"])
    user = await verified(ran.output.strip())
    assert user.employee_ref is None
    assert user.external_customer_id is None


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RS256", "ES256", "EdDSA"],
)
async def test_every_kind_of_key_signs_tokens_that_are_accepted(
    environment: pytest.MonkeyPatch, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    environment.setenv("DEV_SIGNING_KEY", private)
    environment.setenv("FRONTEND_PUBLIC_KEY", public)
    ran = CliRunner().invoke(app, TOKEN)
    assert (await verified(ran.output.strip())).employee_ref == "ada"


def test_without_a_development_key_nothing_is_signed(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DEV_SIGNING_KEY")
    ran = CliRunner().invoke(app, TOKEN)
    assert ran.exit_code == 1
    assert "DEV_SIGNING_KEY" in ran.output


def test_beside_a_live_key_nothing_is_signed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KOTA_API_KEY", "pk_live_" + "made-up")
    environment.setenv("KOTA_API_URL", "https://api.kota.io")
    ran = CliRunner().invoke(app, TOKEN)
    assert ran.exit_code != 0
    assert isinstance(ran.exception, BadConfiguration)
    assert "DEV_SIGNING_KEY" in str(ran.exception)
    assert not ran.output


@pytest.mark.usefixtures("environment")
async def test_token_runs_out_after_its_lifetime() -> None:
    token = sign_frontend_token(
        load_settings(),
        employer="acme",
        employee=None,
        audiences=["employer"],
        external_customer=None,
        subject="user-1",
        now=datetime.now(UTC) - timedelta(hours=2),
        lifetime=timedelta(hours=1),
    )
    with pytest.raises(InvalidToken):
        await verified(token)
