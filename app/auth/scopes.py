"""What a service key may be good for."""

from enum import StrEnum


class Scope(StrEnum):
    """Each is named after the part of `/internal` that it opens, but for `metrics`."""

    SYNC = "sync"
    SESSIONS = "sessions"
    EVENTS = "events"
    REPORTS = "reports"
    OFFBOARDING = "offboarding"
    METRICS = "metrics"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
