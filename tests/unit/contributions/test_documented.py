from pathlib import Path

from app.contributions.table import COLUMNS

PAGE = Path(__file__).parents[3] / "docs" / "contributions.md"


def test_every_column_of_the_csv_is_described() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    described = {name.strip(" `") for row in rows for name in row.split("|")[1].split(",")}
    assert set(COLUMNS) <= described
