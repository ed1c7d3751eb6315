import os

import pytest

from app.ops.processes import FOLDER, counted_together


def test_the_folder_is_named_to_the_processes_and_goes_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)

    with counted_together() as folder:
        assert os.environ[FOLDER] == str(folder)
        (folder / "counter_1.db").touch()

    assert not folder.exists()
    assert FOLDER not in os.environ


def test_what_an_earlier_run_left_behind_is_not_added(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stale = tmp_path_factory.mktemp("stale")
    monkeypatch.setenv(FOLDER, str(stale))

    with counted_together() as folder:
        assert folder != stale

    assert stale.exists()
    assert os.environ[FOLDER] == str(stale)
