"""Every secret of a development stack: made once, and kept with the data that it encrypts."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.dev.files import write_private


@dataclass(frozen=True)
class Credentials:
    kota_api_key: str
    webhook_secret: str
    service_key: str
    encryption_key: str
    """32 bytes in URL-safe base64."""
    lookup_key: str
    signing_key: str
    """A P-256 private key in PEM, with which frontend tokens are signed."""

    @property
    def public_key(self) -> str:
        """PEM, too."""
        public = load_pem_private_key(self.signing_key.encode(), password=None).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _new_signing_key() -> str:
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


MAKERS: Mapping[str, Callable[[], str]] = {
    # Kota's prefix for keys of its test environment; the sandbox takes whatever it is told.
    "kota_api_key": lambda: f"pk_test_{secrets.token_hex(16)}",
    "webhook_secret": lambda: secrets.token_hex(32),
    "service_key": lambda: f"sk_dev_{secrets.token_hex(16)}",
    "encryption_key": lambda: Fernet.generate_key().decode(),
    "lookup_key": lambda: secrets.token_hex(32),
    "signing_key": _new_signing_key,
}


def read_or_make_credentials(path: Path) -> Credentials:
    """What `path` holds; what it lacks, a later version's as well, is made and added."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    credentials = Credentials(**{name: kept.get(name) or make() for name, make in MAKERS.items()})
    if asdict(credentials).items() - kept.items():
        write_private(path, json.dumps(kept | asdict(credentials), indent=2))
    return credentials
