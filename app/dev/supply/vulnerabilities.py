"""Ask for known vulnerabilities of what the image installs. One that is found fails; an unreachable database warns."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

WITHIN = 180
COMMAND = ["--requirement", "requirements.txt", "--disable-pip", "--require-hashes", "--no-deps"]
OUTPUT = ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]


def judged(status: int, output: str) -> tuple[int, str]:
    """An exit status and what to say, from pip-audit's own."""
    try:
        report: dict[str, Any] = json.loads(output)
        found = [
            f"{item['name']} {item['version']}: {', '.join(hole['id'] for hole in item['vulns'])}"
            for item in report["dependencies"]
            if item.get("vulns")
        ]
    except (ValueError, KeyError, TypeError):
        return 0, f"warning: the vulnerability database could not be asked (pip-audit ended with {status})"
    if found:
        return 1, "known vulnerabilities:\n" + "\n".join(found)
    return 0, f"no known vulnerability in {len(report['dependencies'])} packages"


def main() -> int:
    root = Path(__file__).parents[3]
    program = Path(sys.executable).with_name("pip-audit")
    try:
        ran = subprocess.run(
            [str(program), *COMMAND, *OUTPUT], cwd=root, capture_output=True, text=True, timeout=WITHIN, check=False
        )
        status, said = judged(ran.returncode, ran.stdout)
    except subprocess.TimeoutExpired:
        status, said = 0, f"warning: the vulnerability database did not answer within {WITHIN} s"
    sys.stderr.write(said + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
