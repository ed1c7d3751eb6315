"""The code of docs/frontend.md, pasted into pages of a host and run in a real browser."""

import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.e2e.conftest import FOLDER, Opens
from tests.e2e.host_server import HostServer
from tests.e2e.watched import Watched

pytestmark = pytest.mark.e2e

GUIDE = Path(__file__).parents[2] / "docs" / "frontend.md"
REACT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>React</title><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"react": "/react.js"}}</script>
<script src="/react.umd.js"></script><script src="/react-dom.umd.js"></script>
<script type="module">
  import { kotaBff } from "./kota-bff.js";
  import { useBenefits } from "./useBenefits.js";
  const identity = async () => (await (await fetch("/your-backend/kota-identity", { method: "POST" })).json()).token;
  const bff = kotaBff("https://benefits-api.example.com", identity);
  const { createElement: e, StrictMode, useState } = React;
  function Benefits() {
    const { ref, state } = useBenefits({ audience: "employee", getSession: bff.createSession });
    return e("section", {}, e("p", { role: "status", id: "state" }, state), e("div", { ref }));
  }
  function Page() {
    const [open, setOpen] = useState(true);
    return e("main", {}, e("button", { onClick: () => setOpen(!open) }, "Toggle"), open && e(Benefits));
  }
  ReactDOM.createRoot(document.getElementById("root")).render(e(StrictMode, {}, e(Page)));
</script></head><body><div id="root"></div></body></html>"""
REACT_MODULE = "export const { useCallback, useEffect, useRef, useState } = window.React;"


def pasted() -> dict[str, str]:
    """The files of the guide by name."""
    blocks = re.findall(r"`([\w.-]+)`[^`\n]*:\n\n```\w+\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return {name: text for name, text in blocks if "." in name}


def umd(package: str) -> str:
    """The browser build of a package that `make e2e` fetched."""
    path = FOLDER / "node_modules" / package / "umd" / f"{package}.development.js"
    return path.read_text(encoding="utf-8")


def host_page(ready: Watched, host: HostServer, name: str, files: Mapping[str, str]) -> Page:
    """Opens `name` of a host that serves these files from an origin of its own, with Tom signed in."""
    host.files = dict(files)
    host.api_url = ready.base_url
    ready.page.goto(f"{host.origin}/{name}")
    return ready.page


def spoil_the_first_load(page: Page) -> None:
    """Kota's script calls with a token that Kota does not know, once."""
    loads = count()

    def pass_on(route: Route) -> None:
        headers = route.request.headers
        if next(loads) == 0:
            headers = headers | {"authorization": "Bearer no-longer-good"}
        route.continue_(headers=headers)

    page.route("**/embed/session", pass_on)


def is_session(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/sessions")


@pytest.fixture
def ready(opens: Opens) -> Watched:
    """A browser, once Kota has the demo's people."""
    watched = opens()
    watched.sign_in("Tom Abara")
    expect(watched.page.get_by_role("heading", name="Benefits of Tom Abara")).to_be_visible()
    return watched


def test_plain_page_shows_benefits_and_renews_a_token(ready: Watched, host: HostServer) -> None:
    ready.expect_complaints(r"console error: .* 401", r"answered 401: GET .*/embed/session")
    spoil_the_first_load(ready.page)
    sessions: list[str] = []
    ready.page.on("request", lambda request: sessions.append(request.url) if is_session(request) else None)
    page = host_page(ready, host, "benefits.html", pasted())

    expect(page.get_by_role("heading", name="Benefits of Tom Abara")).to_be_visible()
    expect(page.locator("#state")).to_be_empty()
    assert len(sessions) == 2


def test_react_hook_shows_benefits_renews_a_token_and_cleans_up(ready: Watched, host: HostServer) -> None:
    ready.expect_complaints(r"console error: .* 401", r"answered 401: GET .*/embed/session")
    files = pasted() | {
        "react.html": REACT_PAGE,
        "react.js": REACT_MODULE,
        "react.umd.js": umd("react"),
        "react-dom.umd.js": umd("react-dom"),
    }
    spoil_the_first_load(ready.page)
    page = host_page(ready, host, "react.html", files)

    embed = page.get_by_role("heading", name="Benefits of Tom Abara")
    expect(embed).to_have_count(1)
    expect(page.locator("#state")).to_have_text("ready")
    page.get_by_role("button", name="Toggle").click()
    expect(embed).to_have_count(0)
    page.get_by_role("button", name="Toggle").click()
    expect(embed).to_have_count(1)
    expect(page.locator("#state")).to_have_text("ready")
