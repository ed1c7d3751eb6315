from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.encryption import (
    KEY_ID_BYTES,
    EncryptedBytes,
    EncryptedJSON,
    EncryptedText,
    Keyring,
    Undecryptable,
    lookup_digest,
    use_keyring,
)

any_text = st.text(st.characters(exclude_categories=()))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
)
keys = st.binary(min_size=32, max_size=32).map(lambda key: urlsafe_b64encode(key).decode())
OLD, NEW, OTHER = (urlsafe_b64encode(bytes([number]) * 32).decode() for number in range(3))


@given(st.binary(), keys)
def test_what_is_encrypted_comes_back(value: bytes, key: str) -> None:
    assert Keyring([key]).decrypt(Keyring([key]).encrypt(value)) == value


@given(st.binary())
def test_equal_values_are_not_equal_when_encrypted(value: bytes) -> None:
    keyring = Keyring([NEW])
    assert keyring.encrypt(value) != keyring.encrypt(value)


@given(st.binary(), st.data())
def test_a_single_changed_bit_anywhere_is_noticed(value: bytes, data: st.DataObject) -> None:
    keyring = Keyring([NEW, OLD])
    encrypted = bytearray(keyring.encrypt(value))
    place = data.draw(st.integers(0, len(encrypted) * 8 - 1))
    encrypted[place // 8] ^= 1 << place % 8
    with pytest.raises(Undecryptable):
        keyring.decrypt(bytes(encrypted))


@given(st.binary())
def test_bytes_that_were_never_encrypted_are_refused(value: bytes) -> None:
    keyring = Keyring([NEW])
    with pytest.raises(Undecryptable):
        keyring.decrypt(value)
    with pytest.raises(Undecryptable):
        keyring.decrypt(keyring.current_id + value)


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    before, during, after = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    old_value, new_value = before.encrypt(b"value"), during.encrypt(b"value")
    assert during.decrypt(old_value) == during.decrypt(new_value) == after.decrypt(new_value) == b"value"
    with pytest.raises(Undecryptable, match="no configured encryption key"):
        before.decrypt(new_value)
    with pytest.raises(Undecryptable, match="no configured encryption key"):
        after.decrypt(old_value)


def test_every_value_names_its_key_first() -> None:
    during = Keyring([NEW, OLD])
    assert during.encrypt(b"a")[:KEY_ID_BYTES] == during.encrypt(b"b")[:KEY_ID_BYTES] == during.current_id
    assert during.current_id == Keyring([NEW]).current_id
    assert len({Keyring([key]).current_id for key in (OLD, NEW, OTHER)}) == 3


def test_key_that_is_listed_twice_is_one_key() -> None:
    keyring = Keyring([NEW, OLD, NEW])
    assert keyring.decrypt(Keyring([NEW]).encrypt(b"value")) == b"value"


def test_two_keys_of_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="same id"):
        Keyring([urlsafe_b64encode(sha256(number.to_bytes(8)).digest()).decode() for number in (788, 3797)])


@pytest.mark.parametrize("keys", [[], [""], ["short"], [Fernet.generate_key().decode(), "no key"]])
def test_anything_but_fernet_keys_is_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the settings say it better, and before this
        Keyring(keys)


def test_error_shows_nothing_of_the_value() -> None:
    encrypted = Keyring([OLD]).encrypt(b"made-up name")
    with pytest.raises(Undecryptable) as caught:
        Keyring([NEW]).decrypt(encrypted)
    assert caught.value.__cause__ is None
    assert encrypted.hex() not in repr(caught.value)


def test_digest_depends_on_key_purpose_and_value() -> None:
    digests = {
        lookup_digest(key, purpose, value) for key in (b"k", b"l") for purpose in ("p", "q") for value in (b"v", b"w")
    }
    assert len(digests) == 8
    assert {len(digest) for digest in digests} == {32}
    assert lookup_digest(b"k", "p", b"v") == lookup_digest(b"k", "p", b"v")


@pytest.fixture(scope="module")
def dialect() -> Dialect:
    return dialect_with(Keyring([NEW]))


def dialect_with(keyring: Keyring) -> Dialect:
    """As an engine has it, which connects to nothing before it is asked to."""
    dialect = create_async_engine("postgresql+asyncpg://").dialect
    use_keyring(dialect, keyring)
    return dialect


@given(st.binary())
def test_bytes_column_gives_back_what_it_was_given(dialect: Dialect, value: bytes) -> None:
    stored = EncryptedBytes().process_bind_param(value, dialect)
    assert EncryptedBytes().process_result_value(stored, dialect) == value


@given(any_text)
def test_text_column_gives_back_what_it_was_given(dialect: Dialect, value: str) -> None:
    stored = EncryptedText().process_bind_param(value, dialect)
    assert EncryptedText().process_result_value(stored, dialect) == value


@given(any_json.filter(lambda value: value is not None))
def test_json_column_gives_back_what_it_was_given(dialect: Dialect, value: object) -> None:
    stored = EncryptedJSON().process_bind_param(value, dialect)
    assert EncryptedJSON().process_result_value(stored, dialect) == value


@pytest.mark.parametrize("column", [EncryptedBytes(), EncryptedText(), EncryptedJSON()])
def test_null_stays_null(dialect: Dialect, column: EncryptedBytes | EncryptedText | EncryptedJSON) -> None:
    assert column.process_bind_param(None, dialect) is None
    assert column.process_result_value(None, dialect) is None


def test_each_engine_has_its_own_keyring() -> None:
    stored = EncryptedBytes().process_bind_param(b"value", dialect_with(Keyring([OLD])))
    with pytest.raises(Undecryptable):
        EncryptedBytes().process_result_value(stored, dialect_with(Keyring([NEW])))
