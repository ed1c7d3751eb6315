"""Ways to run a program that refuses to run as root."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534


@dataclass(frozen=True)
class RunAs:
    """`prefix` goes before a command; `uid` is who must own the files that the command holds as its own."""

    prefix: tuple[str, ...]
    uid: int


def find_unprivileged(program: Path, *, folder: Path) -> RunAs | None:
    """The first way to run `program` (which must answer `--version`) with `folder` within reach; None if there is none.

    A plain user runs it as is. Root looks like nobody within a user namespace of its own, while files stay root's.
    Where namespaces are not permitted, as in many containers, root becomes nobody, who keeps only the power to pass
    through folders that are closed to others: their modes are not ours to change.
    """
    if os.geteuid() != 0:
        return RunAs((), os.geteuid())
    ways = (
        RunAs(("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"), 0),
        RunAs(
            (
                "setpriv",
                f"--reuid={NOBODY}",
                f"--regid={NOBODY}",
                "--clear-groups",
                "--inh-caps=-all,+dac_override",
                "--ambient-caps=-all,+dac_override",
                "--bounding-set=-all,+dac_override",
            ),
            NOBODY,
        ),
    )
    return next((way for way in ways if _works(way, program, folder=folder)), None)


def _works(way: RunAs, program: Path, *, folder: Path) -> bool:
    if shutil.which(way.prefix[0]) is None:
        return False
    probe = [*way.prefix, "sh", "-c", 'cd "$1" && "$2" --version', "sh", str(folder), str(program)]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def hand_over(folder: Path, *, uid: int) -> None:
    """Makes `uid` the owner of all in `folder`; of the folder itself last, so that a cut is made good later."""
    if os.geteuid() != 0 or folder.stat().st_uid == uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent) / name, uid, -1, follow_symlinks=False)
    os.chown(folder, uid, -1)
