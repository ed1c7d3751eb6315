"""Which events there are, and what each says about its resource."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thin:
    """The data of a version 2 event: the resource's id, under its own name, and further members."""

    id_name: str
    names: tuple[str, ...]
    resource_type: str


THIN_DATA: dict[str, Thin] = {
    "employee": Thin("id", ("employer_id", "metadata"), "employee"),
    "employer": Thin("id", ("metadata",), "employer"),
}

# The types that exist in version 1 as well, which carries the whole resource.
FAT_TYPES = frozenset(
    {
        "employee.created",
        "employee.updated",
        "employee.offboarded",
        "employer.created",
        "employer.updated",
        "employer.offboarded",
    }
)

KIND_OF_PREFIX = {"er": "employer", "ee": "employee"}
