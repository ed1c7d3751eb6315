"""Records as Kota has them: what they say, and calls that are alike for both kinds."""

from collections.abc import AsyncIterator

from app.kota import Employee, Employer, KotaClient
from app.sync.fields import OUR_KEY
from app.sync.kinds import Fields, Kind

KotaRecord = Employer | Employee


def reference_of(record: KotaRecord) -> str | None:
    """The host's reference that a record at Kota carries."""
    reference = (record.metadata or {}).get(OUR_KEY)
    return reference if isinstance(reference, str) else None


def employer_id_of(record: KotaRecord) -> str | None:
    """Kota's id of an employee's employer; None for an employer."""
    return record.employer_id if isinstance(record, Employee) else None


def known_from(kind: Kind, record: KotaRecord) -> Fields:
    """What Kota's own copy says reliably, of a record that somebody else put there."""
    shown = record.model_dump(mode="json")
    known = {name: shown[name] for name in kind.as_stored if shown.get(name) is not None}
    country = (shown.get(kind.address) or {}).get("country_code")
    return known | ({kind.address: {"country_code": country.lower()}} if country else {})


async def get_record(kota: KotaClient, kind: Kind, kota_id: str) -> KotaRecord:
    """Raises KotaError, of which KotaNotFound says that there is none."""
    return await (kota.get_employee(kota_id) if kind.has_employer else kota.get_employer(kota_id))


def list_records(
    kota: KotaClient, *, employer_id: str | None, metadata_id: str | None = None
) -> AsyncIterator[KotaRecord]:
    """Every employee of `employer_id`, or every employer if it is None. Raises KotaError on the way.

    With `metadata_id`, only employees whose reference contains it. Kota filters no employers by it, so all of them
    come (Kota's OpenAPI).
    """
    if employer_id is None:
        return kota.list_employers()
    return kota.list_employees(employer_id=employer_id, metadata_id=metadata_id)


async def create_record(kota: KotaClient, kind: Kind, body: bytes, *, idempotency_key: str) -> KotaRecord:
    """Raises KotaError; the record may exist all the same if that says `may_have_happened`."""
    create = kota.create_employee if kind.has_employer else kota.create_employer
    return await create(body, idempotency_key=idempotency_key)


async def update_record(kota: KotaClient, kind: Kind, kota_id: str, body: bytes) -> KotaRecord:
    """Change the fields in `body`. Raises KotaError like `create_record`."""
    update = kota.update_employee if kind.has_employer else kota.update_employer
    return await update(kota_id, body)
