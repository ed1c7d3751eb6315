"""How the queue tells of faults that it outlives."""

import structlog

from app.db.faults import is_database_lost
from app.ops.metrics import UNEXPECTED_ERRORS

log = structlog.get_logger(__name__)


def report(event: str, error: BaseException, *, name: str) -> None:
    """The database being away is a warning; all else is a fault of ours, counted under the name of the lane or task."""
    if is_database_lost(error):
        log.warning(event, queue=name, error=type(error).__name__)
    else:
        UNEXPECTED_ERRORS.labels(where=name).inc()
        log.error(event, queue=name, exc_info=error)
