import os
import shutil
import site
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.dev.postgres import EmbeddedPostgres
from app.dev.unprivileged import NOBODY
from tests.integration.postgres_owners import ROOT, fetch, owner_of
from tests.processes import is_alive, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# Through a shell, as setpriv's own exec still has root's powers.
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sh", "-c", 'exec "$0" "$@"')
PLAIN_ENV = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(ROOT), *site.getsitepackages()])}


def interpreter_for_nobody() -> str | None:
    """The first Python that nobody can run the launcher with; the one of the tests may be closed to others."""
    for python in (sys.executable, shutil.which("python3", path=os.defpath)):
        probe = "import sys, app.dev.postgres as p; assert sys.version_info >= (3, 11); p.find_binaries()"
        if python and subprocess.run([*AS_NOBODY, python, "-c", probe], env=PLAIN_ENV, check=False).returncode == 0:
            return python
    return None


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


async def test_plain_user_runs_it_as_well() -> None:
    python = interpreter_for_nobody()
    if python is None:
        pytest.skip("nobody can run a Python with this checkout and its packages here")
    # Not in pytest's own folder, which is closed to other users.
    with TemporaryDirectory(prefix="kota-bff-") as name:
        os.chown(name, NOBODY, NOBODY)
        with owner_of(Path(name) / "postgres", python=[*AS_NOBODY, python], env=PLAIN_ENV) as owner:
            assert await fetch(owner.url, "SELECT 1") == 1
            assert uid_of(owner.pid) == NOBODY
        assert not is_alive(owner.pid)


async def test_root_without_user_namespaces_becomes_nobody(tmp_path: Path) -> None:
    refusing = tmp_path / "bin"
    refusing.mkdir()
    (refusing / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (refusing / "unshare").chmod(0o755)
    closed = tmp_path / "closed to others"
    closed.mkdir(mode=0o700)
    env = dict(os.environ) | {"PATH": f"{refusing}:{os.environ['PATH']}"}
    with owner_of(closed / "postgres", env=env) as owner:
        assert await fetch(owner.url, "SELECT 1") == 1
        assert (closed / "postgres" / "data").stat().st_uid == NOBODY
        owner.process.kill()
        wait_until(lambda: not is_alive(owner.pid))
    assert closed.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_uid == 0

    # And back: with namespaces the files are root's again.
    with EmbeddedPostgres(closed / "postgres", durable=False) as server:
        assert await fetch(server.url, "SELECT 1") == 1
