"""The host's own ids of its employers and employees."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import StringConstraints

REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
"""Unique per kind, and no personal data: it stands in URLs and logs."""
RefPath = Annotated[Ref, Path(description="The host's own reference", examples=["acme-ie"])]


def is_ref(value: object) -> bool:
    """Whether `value` can be a reference."""
    return isinstance(value, str) and REF.fullmatch(value) is not None
