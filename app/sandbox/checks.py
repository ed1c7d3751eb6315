"""What a member of a request body may be. Checks collect every fault, each under its JSON path."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from app.sandbox.problems import Errors, invalid

EARLIEST_DAY = date(1900, 1, 1)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_PHONE = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_PHONE_PUNCTUATION = re.compile(r"[\s().-]")
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 25, 40, 500


@dataclass(slots=True)
class Findings:
    """The faults so far, and the day on which the request is judged."""

    today: date
    errors: Errors = field(default_factory=dict)

    def add(self, path: str, message: str) -> None:
        self.errors.setdefault(path, []).append(message)


Check = Callable[[Any, str, Findings], None]


def check_body(body: Any, check: Check, *, today: date) -> None:
    """Raises a problem that names every fault of the body."""
    findings = Findings(today)
    check(body, "$", findings)
    if findings.errors:
        raise invalid(findings.errors)


@dataclass(frozen=True, slots=True)
class Object:
    """Members that are not named are refused. Optional ones may be null. `rule` looks across members."""

    required: dict[str, Check]
    optional: dict[str, Check] = field(default_factory=dict)
    rule: Check | None = None

    def __call__(self, value: Any, path: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add(path, "Must be an object.")
            return
        for name, check in self.required.items():
            if value.get(name) is None:
                findings.add(f"{path}.{name}", "Is required.")
            else:
                check(value[name], f"{path}.{name}", findings)
        for name, content in value.items():
            if name in self.required:
                continue
            if name not in self.optional:
                findings.add(f"{path}.{name}", "Is not a known member.")
            elif content is not None:
                self.optional[name](content, f"{path}.{name}", findings)
        if self.rule:
            self.rule(value, path, findings)


def any_text(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, str):
        findings.add(path, "Must be a string.")


def text(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, str):
        findings.add(path, "Must be a string.")
    elif not value.strip():
        findings.add(path, "Must not be empty.")


def boolean(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, bool):
        findings.add(path, "Must be true or false.")


def one_of(values: frozenset[str]) -> Check:
    def check(value: Any, path: str, findings: Findings) -> None:
        if not isinstance(value, str) or value not in values:
            findings.add(path, "Is not one of the allowed values.")

    return check


def parse_day(value: Any) -> date | None:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def parse_instant(value: Any) -> datetime | None:
    """A date-time with an offset, or None."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else None


def day(*, past: bool = False, future: bool = False, after_1900: bool = False) -> Check:
    def check(value: Any, path: str, findings: Findings) -> None:
        found = parse_day(value)
        if found is None:
            findings.add(path, "Must be a date, YYYY-MM-DD.")
        elif past and found >= findings.today:
            findings.add(path, "Must be in the past.")
        elif future and found <= findings.today:
            findings.add(path, "Must be in the future.")
        elif after_1900 and found <= EARLIEST_DAY:
            findings.add(path, "Must be after 1900-01-01.")

    return check


def instant(value: Any, path: str, findings: Findings) -> None:
    if parse_instant(value) is None:
        findings.add(path, "Must be a date-time.")


def email(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, str) or not _EMAIL.fullmatch(value.strip()):
        findings.add(path, "Must be an e-mail address.")


def plain_phone(value: str) -> str:
    return _PHONE_PUNCTUATION.sub("", value)


def phone(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, str) or not _PHONE.fullmatch(plain_phone(value)):
        findings.add(path, "Must be a phone number in E.164 format.")


def plain_iban(value: str) -> str:
    return "".join(value.split()).upper()


def iban(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, str) or not _IBAN.fullmatch(plain_iban(value)):
        findings.add(path, "Must be an account number in IBAN format.")


def metadata(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, dict):
        findings.add(path, "Must be an object.")
        return
    if len(value) > METADATA_KEYS:
        findings.add(path, f"Must not have more than {METADATA_KEYS} keys.")
    for key, content in value.items():
        if len(key) > METADATA_KEY_LENGTH:
            findings.add(f"{path}.{key}", f"Keys must not be longer than {METADATA_KEY_LENGTH} characters.")
        if not isinstance(content, str):
            findings.add(f"{path}.{key}", "Must be a string.")
        elif len(content) > METADATA_VALUE_LENGTH:
            findings.add(f"{path}.{key}", f"Values must not be longer than {METADATA_VALUE_LENGTH} characters.")
