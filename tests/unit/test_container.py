"""The image and the Compose file run commands that exist, with settings that are read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from app.cli import app
from app.dev.new_env import new_env
from app.sandbox.settings import SandboxSettings
from app.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "kota-bff"}
# Read by uvicorn's command line and by the image's health check.
OTHERS = {"PORT", "HEALTH_PORT"}
KNOWN = (
    {name.upper() for name in Settings.model_fields}
    | {f"SANDBOX_{name.upper()}" for name in SandboxSettings.model_fields}
    | OTHERS
)


def _new() -> dict[str, str]:
    lines = [line for line in new_env().splitlines() if not line.startswith("#")]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def test_every_part_of_the_service_is_there() -> None:
    assert set(OURS) == {"migrate", "api", "worker", "sandbox"}


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_a_service_runs_a_command_that_exists(service: dict[str, Any]) -> None:
    command = get_command(app)
    name, *options = service["command"]
    found = command.commands[name]  # type: ignore[attr-defined]  # Typer types its groups as commands.
    found.make_context(name, [str(option) for option in options])


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_a_service_is_told_what_it_reads(service: dict[str, Any]) -> None:
    assert set(service["environment"]) <= KNOWN


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_a_service_can_do_little_beyond_its_work(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_a_new_env_has_all_that_the_compose_file_asks_for() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))

    assert asked <= set(_new())


def test_a_new_env_makes_valid_settings_and_other_secrets_every_time() -> None:
    values: dict[str, Any] = {name.lower(): value for name, value in _new().items()}
    first, second = _new(), _new()

    Settings(**{**values, "database_url": "postgresql://kota_bff@postgres/kota_bff"})
    assert [name for name in ("POSTGRES_PASSWORD", "LOOKUP_KEY", "SERVICE_KEY") if first[name] == second[name]] == []


def test_the_image_is_built_from_a_slim_python_and_runs_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert all(re.fullmatch(r"python:3\.\d+-slim-bookworm", base) for base in bases)
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
