"""One made-up event of Kota's for each type and version, named `<version>.<type>.json`."""

from pathlib import Path

FILES = sorted(Path(__file__).parent.glob("v*.json"))
