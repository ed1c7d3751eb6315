"""The host's own ids of its employers and employees."""

import re
import unicodedata
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, StringConstraints

REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
"""Unique per kind, and no personal data: it stands in URLs and logs."""
RefPath = Annotated[Ref, Path(description="The host's own reference", examples=["acme-ie"])]


def is_ref(value: object) -> bool:
    """Whether `value` can be a reference."""
    return isinstance(value, str) and REF.fullmatch(value) is not None


def is_plain(text: str) -> bool:
    """Whether `text` is free of control characters, NUL among them, of unpaired surrogates and of what changes how
    the text around it is read or shown: two ids that look alike on a screen must not be two."""
    return not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in text)


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError("must not hold control or invisible characters")
    return text


ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_plain)]
"""An id of somebody else's making, such as that of an employer-of-record's customer."""
