"""Metrics that several processes of one `serve` count together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client keeps a process's numbers if this variable is set when it is imported."""


@contextmanager
def counted_together() -> Iterator[Path]:
    """A folder for the processes that are started within, gone with them.

    It is new each time, whatever the variable said before: numbers that an earlier run left behind would be added to
    those of this one.
    """
    before = os.environ.get(FOLDER)
    with TemporaryDirectory(prefix="kota-bff-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[FOLDER]
            else:
                os.environ[FOLDER] = before
