"""`/docs` works in a browser under the policy that it is sent with, and that policy allows nothing else."""

import base64
import hashlib
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from tests.support.app import Host, running_app, settings_for

NOWHERE = "postgresql://postgres:made-up@127.0.0.1:1/x"


class Page(HTMLParser):
    """What a browser would load, by the directive that decides about it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[tuple[str, str]] = []
        self.inline: list[str] = []
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert tag != "style"
        assert not any(name == "style" or name.startswith("on") for name in given)
        if tag == "script" and "src" in given:
            self.loads.append(("script-src", given["src"]))
        elif tag == "script":
            self._in_script = True
        elif tag == "link":
            self.loads.append(("style-src" if given["rel"] == "stylesheet" else "img-src", given["href"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline.append(data)


@pytest.fixture(scope="module")
async def page(host: Host) -> tuple[Page, Mapping[str, list[str]]]:
    async with running_app(settings_for(NOWHERE, host=host, docs_enabled=True)) as app:
        answer = await app.http.get("/docs")
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["x-frame-options"] == "DENY"
        (policy,) = answer.headers.get_list("content-security-policy")
        # The rest of the service has the strict one all the same.
        assert "script-src" not in (await app.http.get("/openapi.json")).headers["content-security-policy"]
    directives = [directive.split() for directive in policy.split(";")]
    return Page(answer.text), {name: sources for name, *sources in directives}


@pytest.mark.threat(12)
def test_whatever_the_page_loads_is_allowed_by_name(page: tuple[Page, Mapping[str, list[str]]]) -> None:
    found, policy = page
    assert {directive for directive, _ in found.loads} == {"script-src", "style-src", "img-src"}
    for directive, address in found.loads:
        assert "data:" in policy[directive] if address.startswith("data:") else address in policy[directive], address


@pytest.mark.threat(12)
def test_script_in_the_page_is_allowed_by_its_digest(page: tuple[Page, Mapping[str, list[str]]]) -> None:
    found, policy = page
    (script,) = found.inline
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy["script-src"]
    assert "url: '/openapi.json'" in script


@pytest.mark.threat(12)
def test_nothing_else_is_allowed(page: tuple[Page, Mapping[str, list[str]]]) -> None:
    found, policy = page
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    assert "unsafe" not in str(policy)
    assert len(policy["script-src"]) == 2
    assert len(policy["style-src"]) == 1
    assert policy["img-src"] == ["data:"]
    assert len(found.loads) == 3
