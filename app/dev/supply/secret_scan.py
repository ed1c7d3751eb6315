"""Find secrets in what git tracks. Prints file, line and kind, never the secret; exits 1 if there is one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

KINDS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\\?n?\s*[A-Za-z0-9+/]{40}"),
    "Kota live key": re.compile(r"\bpk_live_[A-Za-z0-9]{16,}"),
    "Kota test key": re.compile(r"\bpk_test_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,}"),
    "service key": re.compile(r"\bkbff_[A-Za-z0-9_-]{43}\b"),
    "signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    "webhook secret": re.compile(r"\bwhsec_[A-Za-z0-9+/]{24,}={0,2}"),
    "AWS key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,})"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "password in a URL": re.compile(r"\bpostgres(?:ql)?(?:\+asyncpg)?://[^\s:/@{}$<>]+:[^\s@:{}$<>]{12,}@"),
    "encryption key": re.compile(
        r"(?<![A-Za-z0-9_/+-])(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{43}=(?!=)"
    ),
}
HARMLESS = re.compile(r"made.?up|example|change-?me|placeholder|\.\.\.|…", re.IGNORECASE)
"""What says of itself that it is none."""


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and kinds of what looks like a secret."""
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(text):
            if not HARMLESS.search(match.group()):
                yield text.count("\n", 0, match.start()) + 1, kind


def tracked(root: Path) -> Iterator[Path]:
    """Text files that git tracks, but for the locks, which are full of hashes."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout  # noqa: S607 - whichever git made the checkout
    for name in listed.decode().split("\0"):
        path = root / name
        if name and not name.startswith("requirements") and path.is_file():
            yield path


def main() -> int:
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        sys.stderr.write("not a git checkout: nothing was scanned for secrets\n")
        return 0
    found = [
        f"{path.relative_to(root)}:{line}: {kind}"
        for path in tracked(root)
        for line, kind in findings(path.read_text(errors="replace"))
    ]
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
