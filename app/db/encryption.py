"""Encryption at rest: a keyring, and column types that use it.

A stored value is four bytes that name the key, then the bytes of a Fernet token (AES-128-CBC with HMAC-SHA256). Since
the value itself says which key it needs, decrypting tries one key and never guesses, and a rotation can prove with one
query that no value under an old key is left: no column beside it could drift from the truth.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Dialect, LargeBinary, TypeDecorator

KEY_ID_BYTES = 4


class Undecryptable(Exception):
    """A stored value names a key that is not configured, or was tampered with. Carries no part of the value."""

    code = "undecryptable"


class Keyring:
    """Fernet keys, newest first: the first encrypts, all of them decrypt.

    Each key is 32 bytes in URL-safe base64, as `Fernet.generate_key` makes it; anything else raises ValueError.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed")
        self._ciphers = {_key_id(key): Fernet(key) for key in dict.fromkeys(keys)}
        if len(self._ciphers) < len(set(keys)):
            raise ValueError("two encryption keys have the same id; make another")
        self.current_id = _key_id(keys[0])
        """The first four bytes of every value that is encrypted now."""
        self._current = self._ciphers[self.current_id]

    def encrypt(self, value: bytes) -> bytes:
        """`value` under the newest key."""
        return self.current_id + urlsafe_b64decode(self._current.encrypt(value))

    def decrypt(self, value: bytes) -> bytes:
        """What `encrypt` was given; Undecryptable if no key fits."""
        cipher = self._ciphers.get(value[:KEY_ID_BYTES])
        if cipher is None:
            raise Undecryptable("no configured encryption key has the id of this value")
        try:
            return cipher.decrypt(urlsafe_b64encode(value[KEY_ID_BYTES:]))
        except InvalidToken:
            raise Undecryptable("the value does not decrypt under the key that it names") from None


def _key_id(key: str) -> bytes:
    return hashlib.sha256(b"kota-bff key id\x00" + urlsafe_b64decode(key)).digest()[:KEY_ID_BYTES]


def lookup_digest(key: bytes, purpose: str, value: bytes) -> bytes:
    """32 bytes by which an encrypted value can be found or compared without being readable.

    `purpose` separates the uses, so that equal values in two columns do not have equal digests.
    """
    return hmac.new(key, purpose.encode() + b"\x00" + value, hashlib.sha256).digest()


# A column type is handed the dialect and nothing else, and each engine has its own: so an engine's keyring hangs here.
_keyrings: WeakKeyDictionary[Dialect, Keyring] = WeakKeyDictionary()


def use_keyring(dialect: Dialect, keyring: Keyring) -> None:
    """Let the encrypted columns of this engine's dialect use `keyring`."""
    _keyrings[dialect] = keyring


class EncryptedBytes(TypeDecorator[bytes]):
    """Bytes in Python, encrypted bytes in the database. NULL stays NULL."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else _keyrings[dialect].encrypt(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else _keyrings[dialect].decrypt(value)


class EncryptedText(TypeDecorator[str]):
    """A string in Python, encrypted UTF-8 in the database. Half of a surrogate pair, which JSON can hold, survives."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else _keyrings[dialect].encrypt(value.encode(errors="surrogatepass"))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else _keyrings[dialect].decrypt(value).decode(errors="surrogatepass")


class EncryptedJSON(TypeDecorator[Any]):
    """A JSON document in Python, its encrypted text in the database. Not `jsonb`, which cannot hold a NUL character."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        # Escaped, since half of a surrogate pair has no UTF-8.
        text = json.dumps(value, separators=(",", ":"))
        return _keyrings[dialect].encrypt(text.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(_keyrings[dialect].decrypt(value))
