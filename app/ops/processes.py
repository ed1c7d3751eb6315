"""What our processes have in common: those of one `serve` count together and end together, and all collect less."""

import asyncio
import gc
import multiprocessing
import os
import signal
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


def end_with_parent() -> None:
    """Stop this process, as SIGTERM would, when the one that started it is gone.

    A killed supervisor could not tell its processes to stop, and they would keep the port from its successor. Nothing
    happens in a process that none of ours started. Needs a running event loop.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(parent.sentinel)
            signal.raise_signal(signal.SIGTERM)

        # Readable once the parent has ended.
        loop.add_reader(parent.sentinel, end)


def collect_less() -> None:
    """Keep Python's garbage collector from going through what a process holds for as long as it runs.

    Called by a process that has imported and made what it is about to use. Requests leave next to no cycles behind; to
    look for them after every 700 objects took a tenth of what a delivery costs, mostly in classes and routes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
