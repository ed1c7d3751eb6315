"""`kota-bff dev` as a person runs it, and a real Chromium that looks at its demo page."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from app.dev.ports import free_port
from tests.e2e.host_server import HostServer, served
from tests.e2e.watched import Watched
from tests.support.dev_command import DevCommand

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# What it would ask of the world by itself, and what a container cannot give it.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FOLDER = Path(__file__).parents[2] / ".e2e"
"""Screenshots, and what `make e2e` fetches. Ignored by git."""

Opens = Callable[..., Watched]
Control = Callable[..., None]


@pytest.fixture(scope="session")
def host() -> Iterator[HostServer]:
    """A host whose pages lie on another origin than kota-bff."""
    with served(HostServer(free_port())) as host:
        yield host


@pytest.fixture(scope="session")
def dev(host: HostServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCommand]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FRONTEND_ORIGINS", host.origin)
        # Now and then the sandbox makes up a status, to be seen as that. What is asserted here are the real ones.
        environment.setenv("SANDBOX_DRIFT", "0")
        # All tests together open more sessions for the same few people than anybody would.
        environment.setenv("SESSIONS_PER_MINUTE", "1000")
        with DevCommand(tmp_path_factory.mktemp("dev") / "data") as stack:
            stack.wait_until_ready()
            yield stack


@pytest.fixture
def control(dev: DevCommand) -> Iterator[Control]:
    """Steers the sandbox; what it was told to do wrong ends with the test."""

    def tell(method: str, path: str, body: object = None) -> None:
        answer = httpx.request(method, f"http://127.0.0.1:{dev.sandbox_port}/_control/{path}", json=body)
        answer.raise_for_status()

    yield tell
    tell("DELETE", "faults")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = FOLDER / "screenshots"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def opens(dev: DevCommand, chromium: Browser, screenshots: Path) -> Iterator[Opens]:
    """Opens the demo in a browser of its own, watched; whatever it complains of fails the test at its end."""
    opened: list[Watched] = []

    def open_demo(*, width: int = 1100, height: int = 800, path: str = "/demo") -> Watched:
        context = chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        context.set_default_timeout(30_000)
        page: Page = context.new_page()
        watched = Watched(page, base_url=f"http://127.0.0.1:{dev.port}", screenshots=screenshots)
        opened.append(watched)
        page.goto(watched.base_url + path)
        return watched

    yield open_demo
    for watched in opened:
        # Events of the network and of the console arrive on their own time.
        watched.page.wait_for_timeout(200)
        watched.page.context.close()
    assert [watched.verdict() for watched in opened] == [([], [])] * len(opened)
