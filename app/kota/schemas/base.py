"""How Kota's answers are read: unknown fields are ignored, unknown enum values are kept as strings.

Kota adds fields and enum values without notice, and its OpenAPI marks as required what may be missing (and the
reverse). So only what this project cannot do without is demanded.
"""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

T = TypeVar("T")


class KotaModel(BaseModel):
    """Part of an answer of Kota's. Its repr shows identifiers and states only, since the rest may be personal data."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        shown = (name for name in ("id", "employer_id", "employee_id", "status") if name in type(self).model_fields)
        return [(name, getattr(self, name)) for name in shown]

    __str__ = BaseModel.__repr__


def _none_if_unreadable(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


# For the answers that confirm a create or an update: an oddity in a field that nobody needs must not make a success
# unreadable, or the call would be repeated for ever.
Loose = Annotated[T | None, WrapValidator(_none_if_unreadable)]
