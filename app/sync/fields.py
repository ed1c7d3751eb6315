"""What a record says, and what has to be sent so that Kota says it too. Pure functions over plain JSON."""

import json
from collections.abc import Mapping
from typing import Any

from app.db.encryption import lookup_digest
from app.kota import serialise
from app.sync.kinds import Fields, Kind

OUR_KEY = "id"
"""The key in Kota's metadata that holds the host's reference. Ours: Kota's look-up by metadata reads this one only."""


def without_nulls(value: Any) -> Any:
    """`value` without the members that are null, all the way down."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


def canonical(kind: Kind, fields: Mapping[str, Any]) -> Fields:
    """`fields` in the one form in which records are stored and compared.

    Countries in lower case, as Kota wants them. Metadata is always there: it is replaced whole and holds our own key,
    so leaving it out means that it is empty.
    """
    record: Fields = without_nulls(dict(fields))
    record.setdefault("metadata", {})
    address = record.get(kind.address)
    if address and "country_code" in address:
        record[kind.address] = {**address, "country_code": address["country_code"].lower()}
    if "nationality" in record:
        record["nationality"] = record["nationality"].lower()
    return record


def digest(kind: Kind, desired: Fields, *, employer_ref: str | None, lookup_key: bytes) -> bytes:
    """By which equal records are told without decrypting them."""
    content = json.dumps([employer_ref, desired], sort_keys=True, separators=(",", ":"))
    return lookup_digest(lookup_key, f"desired {kind.name}", content.encode())


def create_body(desired: Fields, *, ref: str, employer_id: str | None) -> bytes:
    """The bytes that create the record at Kota."""
    content = {**desired, "metadata": {**desired["metadata"], OUR_KEY: ref}}
    return serialise(content if employer_id is None else {**content, "employer_id": employer_id})


def update_body(kind: Kind, desired: Fields, *, ref: str, fields: frozenset[str]) -> bytes:
    """The bytes that bring `fields` to Kota. Sub-objects go whole, since Kota replaces them whole."""
    content = {name: desired[name] for name in fields}
    if "metadata" in content:
        content["metadata"] = {**content["metadata"], OUR_KEY: ref}
    if kind.address in content:
        content[kind.address] = _without_country(content[kind.address])
    return serialise(content)


def created_by(body: bytes) -> Fields:
    """The record that a create with this body left at Kota: the reverse of `create_body`."""
    content: Fields = json.loads(body)
    content.pop("employer_id", None)
    content["metadata"].pop(OUR_KEY)
    return content


def named_in(body: bytes | None) -> frozenset[str]:
    """The top-level fields in a push body."""
    return frozenset(json.loads(body)) - {"employer_id"} if body else frozenset()


def differing(kind: Kind, desired: Fields, synced: Fields) -> frozenset[str]:
    """The fields that a PUT has to carry: those in which Kota was last sent something else. Never immutable ones."""
    names = (name for name in desired if name not in kind.immutable)
    return frozenset(name for name in names if not _same(kind, name, desired[name], synced.get(name)))


def immutable_differences(kind: Kind, wanted: Fields, known: Fields) -> list[str]:
    """JSON pointers to what `wanted` says otherwise than `known`, and Kota cannot change.

    Only what is known counts, but for a field that is known not to be set.
    """
    pointers = [f"/{name}" for name in sorted(kind.immutable) if wanted.get(name) != known.get(name)]
    countries = [_country(record.get(kind.address)) for record in (wanted, known)]
    if None not in countries and countries[0] != countries[1]:
        pointers.append(f"/{kind.address}/country_code")
    return pointers


def _country(address: Mapping[str, str] | None) -> str | None:
    return (address or {}).get("country_code")


def _without_country(address: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in address.items() if name != "country_code"}


def _same(kind: Kind, name: str, wanted: Any, sent: Any) -> bool:
    if name == kind.address and sent is not None:
        return _without_country(wanted) == _without_country(sent)
    return bool(wanted == sent)
