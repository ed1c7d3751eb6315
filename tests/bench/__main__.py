"""`python -m tests.bench [name …]`: run benchmarks and print their ratios; exit 1 if one misses its bar."""

import importlib
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.result import Result

BENCHMARKS = ("process", "sessions", "sync", "reports", "intake", "latency")


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            results += importlib.import_module(f"tests.bench.{name}").run(Path(folder))
    table = Table("benchmark", "ours", "reference", "ratio", "bar", "")
    for result in results:
        table.add_row(
            result.name,
            f"{result.ours:,.1f} {result.unit}",
            f"{result.reference:,.1f} {result.unit}",
            f"{result.ratio:.2f}",
            f"{result.must} {result.bar}",
            "ok" if result.holds else "MISSED",
        )
    Console().print(table)
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
