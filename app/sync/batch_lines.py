"""Lines of a batch: split from a stream that may be large, and read one by one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.errors import AppError, FieldError, InvalidInput, MalformedRequest
from app.sync.kinds import KINDS, Kind, KindName
from app.sync.put import wanted_from
from app.sync.rules import Wanted
from app.sync.schemas import EmployeeIn, EmployerIn
from app.web.problems import field_errors
from app.web.refs import is_ref
from app.web.strict_json import read_json

MAX_LINE = 256 * 1024
"""Bytes: as much as a PUT may have."""
MODELS: dict[KindName, type[EmployerIn] | type[EmployeeIn]] = {
    KindName.EMPLOYER: EmployerIn,
    KindName.EMPLOYEE: EmployeeIn,
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that can be stored, or what is wrong with it. Numbers start at 1."""

    number: int
    kind: Kind | None
    ref: str | None
    wanted: Wanted | None
    refusal: AppError | None


async def split_lines(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes | None]]:
    """The numbered lines of a stream that are not blank; None for one that is longer than `MAX_LINE`.

    Holds one line and one chunk of the stream, whatever the stream's length.
    """
    number, rest, skipping = 1, b"", False
    async for chunk in stream:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if skipping or len(line) > MAX_LINE:
                yield number, None
            elif line.strip():
                yield number, line
            skipping = False
            number += 1
        if len(rest) > MAX_LINE:
            # The rest of an endless line is dropped as it comes.
            skipping, rest = True, b""
    if skipping or len(rest) > MAX_LINE:
        yield number, None
    elif rest.strip():
        yield number, rest


def read_line(number: int, text: bytes | None, *, lookup_key: bytes) -> Line:
    """What a line wants, or why it cannot be taken. Nothing of it is quoted."""
    if text is None:
        return _refused(number, None, None, FieldError("", f"is longer than {MAX_LINE} bytes"))
    try:
        content: Any = read_json(text)
    except MalformedRequest as error:
        return _refused(number, None, None, FieldError("", _of_line(error)))
    if not isinstance(content, dict) or content.keys() != {"kind", "ref", "record"}:
        return _refused(number, None, None, FieldError("", "must be an object with kind, ref and record"))
    ref = content["ref"] if is_ref(content["ref"]) else None
    try:
        kind = KINDS[KindName(content["kind"])]
    except ValueError:
        return _refused(number, None, ref, FieldError("/kind", "must be employer or employee"))
    if ref is None:
        return _refused(number, kind, None, FieldError("/ref", "is not a reference"))
    try:
        record = MODELS[kind.name].model_validate(content["record"])
    except ValidationError as error:
        return _refused(number, kind, ref, *field_errors(error.errors(include_input=False, include_url=False)))
    return Line(number, kind, ref, wanted_from(kind, ref, record.model_dump(), lookup_key=lookup_key), None)


def _of_line(error: MalformedRequest) -> str:
    """What is said of a body, said of a line."""
    return (error.detail or error.title()).removeprefix("The body ").rstrip(".")


def _refused(number: int, kind: Kind | None, ref: str | None, *faults: FieldError) -> Line:
    return Line(number, kind, ref, None, InvalidInput(errors=faults))
