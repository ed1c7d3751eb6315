from pathlib import Path

import pytest


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Like the home of somebody who likes spaces and apostrophes."""
    folder = tmp_path / "Pat's projects"
    folder.mkdir()
    return folder / "data"
