"""Faults that tests ask for: which requests they hit, and what they do to them."""

from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, get_args

from app.sandbox.checks import Findings, Object, text
from app.sandbox.http import Answer, Headers, problem_answer
from app.sandbox.noise import Noise
from app.sandbox.problems import Problem
from app.sandbox.store import Json

FaultKind = Literal["status", "delay", "drop_before", "drop_after", "garbage"]


def _number(value: Any, path: str, findings: Findings) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        findings.add(path, "Must be a number that is not negative.")


def _kind(value: Any, path: str, findings: Findings) -> None:
    if value not in get_args(FaultKind):
        findings.add(path, f"Must be one of {', '.join(get_args(FaultKind))}.")


FAULT = Object(
    {"kind": _kind},
    {
        "method": text,
        "path": text,
        "status": _number,
        "error_code": text,
        "retry_after": _number,
        "delay_ms": _number,
        "times": _number,
        "probability": _number,
    },
)


@dataclass(slots=True)
class Fault:
    """`path` is a path, a template such as /employees/{employee_id}, or `*`; `times` None means until it is removed.

    `drop_after` and `garbage` do the work; `status` and `drop_before` do not.
    """

    id: int
    kind: FaultKind
    method: str = "*"
    path: str = "*"
    status: int = 500
    error_code: str | None = None
    retry_after: float | None = None
    delay_ms: float = 0
    times: int | None = None
    probability: float = 1.0
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return self.method in ("*", method) and (self.path in ("*", path) or _fits(path, self.path))

    def answer(self) -> Answer:
        headers: Headers = []
        if self.retry_after is not None:
            headers.append((b"retry-after", f"{self.retry_after:g}".encode()))
        return problem_answer(
            Problem(self.status, self.error_code, detail="This fault was asked for."), headers=headers
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one request."""

    delay: float = 0.0
    fault: Fault | None = None

    @property
    def kind(self) -> FaultKind | None:
        return self.fault.kind if self.fault else None


NO_FAULT = Plan()


class Faults:
    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._faults: list[Fault] = []
        self._ids = count(1)

    def add(self, body: Json) -> Fault:
        fault = Fault(next(self._ids), **{name: value for name, value in body.items() if value is not None})
        fault.method = fault.method.upper()
        fault.status = int(fault.status)
        self._faults.append(fault)
        return fault

    def all(self) -> list[Fault]:
        return list(self._faults)

    def clear(self) -> int:
        removed = len(self._faults)
        self._faults.clear()
        return removed

    def plan(self, method: str, path: str) -> Plan:
        """Delays add up; of the others the one asked for first wins."""
        if not self._faults:
            return NO_FAULT
        delay = 0.0
        chosen: Fault | None = None
        for fault in self._faults:
            is_delay = fault.kind == "delay"
            if (chosen and not is_delay) or not fault.matches(method, path):
                continue
            if fault.probability < 1 and not self._noise.chance(fault.probability):
                continue
            fault.hits += 1
            delay += fault.delay_ms / 1000
            if not is_delay:
                chosen = fault
        return Plan(delay, chosen)


def _fits(path: str, template: str) -> bool:
    parts, wanted = path.strip("/").split("/"), template.strip("/").split("/")
    return len(parts) == len(wanted) and all(
        want == part or (want.startswith("{") and want.endswith("}")) for part, want in zip(parts, wanted, strict=True)
    )
