"""Print a CycloneDX 1.5 bill of materials of what the image installs, from the lock alone."""

import json
import re
import sys
from pathlib import Path
from typing import Any

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
HASH = re.compile(r"sha256:([0-9a-f]{64})")


def components(lock: str) -> list[dict[str, Any]]:
    """A component for each pinned line of a requirements file."""
    return [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}",
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in HASH.findall(rest)],
        }
        for name, version, rest in PINNED.findall(lock)
    ]


def bill(root: Path) -> dict[str, Any]:
    """The whole document."""
    project = re.search(r'^version = "([^"]+)"', (root / "pyproject.toml").read_text(), re.MULTILINE)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "kota-bff", "version": project[1] if project else "unknown"}
        },
        "components": components((root / "requirements.txt").read_text()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(Path(__file__).parents[3]), indent=2) + "\n")
