import gc
import os
from collections.abc import Iterator

import pytest

from app.ops.processes import FOLDER, collect_less, counted_together


@pytest.fixture
def restored_collector() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


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


@pytest.mark.usefixtures("restored_collector")
def test_what_lasts_is_left_out_of_collections_and_cycles_are_still_found() -> None:
    collect_less()

    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
