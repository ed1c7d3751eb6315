import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from app.dev import pid_file
from app.dev.ports import free_port
from app.dev.postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.integration import postgres_owner
from tests.integration.postgres_owners import ROOT, fetch


async def test_server_keeps_its_data_and_password_when_it_is_started_again(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        await fetch(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        password = server.url.split("@")[0]
    assert pid_file.running_server(folder / "data") is None

    with EmbeddedPostgres(folder) as server:
        assert await fetch(server.url, "SELECT answer FROM kept") == 42
        assert server.url.split("@")[0] == password
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


async def test_wrong_password_is_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        wrong = f"postgresql://postgres:wrong@127.0.0.1:{server.port}/postgres"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await fetch(wrong, "SELECT 1")


async def test_given_port_and_settings_are_taken(folder: Path) -> None:
    port = free_port()
    with EmbeddedPostgres(folder, port=port, durable=False, settings={"work_mem": "9MB"}) as server:
        assert f"127.0.0.1:{port}/" in server.url
        assert await fetch(server.url, "SHOW work_mem") == "9MB"
        assert await fetch(server.url, "SHOW fsync") == "off"
        assert await fetch(server.url, "SHOW server_encoding") == "UTF8"


async def test_taken_port_is_told_with_the_end_of_the_log(folder: Path, tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "first", durable=False) as first:
        second = EmbeddedPostgres(folder, port=first.port, durable=False)
        with pytest.raises(EmbeddedPostgresError, match=f"port {first.port}(.|\n)*Address already in use"):
            second.start()
        assert not second.is_running


def test_unknown_setting_is_told_with_the_end_of_the_log(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False, settings={"no_such_setting": "1"})
    with pytest.raises(EmbeddedPostgresError, match='unrecognized configuration parameter "no_such_setting"'):
        server.start()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_restart_keeps_port_and_data(folder: Path, *, kill: bool) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        url, pid = server.url, server.pid
        await fetch(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        server.restart(kill=kill)
        assert server.url == url
        assert server.pid != pid
        assert await fetch(url, "SELECT answer FROM kept") == 42


async def test_database_is_copied_from_a_template_and_dropped(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        template = server.create_database("template")
        await fetch(template, "CREATE TABLE kept AS SELECT 42 AS answer")
        copy = server.create_database("copy", template="template")
        assert await fetch(copy, "SELECT answer FROM kept") == 42
        server.drop_database("copy")
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await fetch(copy, "SELECT 1")


async def test_failed_statement_is_told_as_the_server_said_it(folder: Path) -> None:
    with (
        EmbeddedPostgres(folder, durable=False) as server,
        pytest.raises(EmbeddedPostgresError, match='template database "nowhere" does not exist'),
    ):
        server.create_database("copy", template="nowhere")


def test_second_owner_of_a_folder_is_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        with pytest.raises(EmbeddedPostgresError, match="in use"):
            EmbeddedPostgres(folder, durable=False).start()
        assert server.is_running


def test_server_that_was_started_by_hand_is_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        by_hand = server.pid
        (folder / "owner.lock").unlink()
        (folder / "server.lock").unlink()
        with pytest.raises(EmbeddedPostgresError, match=f"Process {by_hand} is a PostgreSQL"):
            EmbeddedPostgres(folder, durable=False).start()
        assert server.is_running
        assert pid_file.running_server(folder / "data") == by_hand


@pytest.mark.parametrize("mode", [0o700, 0o755], ids=oct)
def test_parent_folder_keeps_its_mode(tmp_path: Path, *, mode: int) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(mode)
    with EmbeddedPostgres(parent / "postgres", durable=False):
        assert parent.stat().st_mode & 0o777 == mode
    assert parent.stat().st_mode & 0o777 == mode


def test_cut_initialisation_is_done_over(folder: Path) -> None:
    (folder / "data.new" / "base").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.is_running
    assert not (folder / "data.new").exists()


def test_missing_wheel_is_told_with_the_command_that_installs_it(folder: Path) -> None:
    # Without its site-packages the interpreter has the project, but not the wheel.
    command = [sys.executable, "-S", "-m", postgres_owner.__name__, str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "pip install 'kota-bff[dev]'" in ran.stderr
