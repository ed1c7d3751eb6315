"""A page with somebody beside it who writes down everything that goes wrong."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response


@dataclass
class Watched:
    """`complaints` are console errors and warnings, uncaught exceptions, failed requests and refusing answers."""

    page: Page
    base_url: str
    screenshots: Path
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def expect_complaints(self, *patterns: str) -> None:
        """What the test provokes: each pattern has to find some, and nothing else may be complained of."""
        self.expected += patterns

    def verdict(self) -> tuple[list[str], list[str]]:
        """Complaints that nobody expected, and patterns that found none."""
        unexpected = [one for one in self.complaints if not any(re.search(pattern, one) for pattern in self.expected)]
        missing = [pattern for pattern in self.expected if not any(re.search(pattern, one) for one in self.complaints)]
        return unexpected, missing

    def sign_in(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()
        self.page.get_by_role("heading", name="Benefits", exact=True).wait_for()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def todo(self, title: str) -> Locator:
        """The notification of this title in the list of what there is to do."""
        return self.page.get_by_role("region", name="To do").get_by_role("listitem").filter(has_text=title)

    def shoot(self, name: str) -> None:
        self.page.screenshot(path=self.screenshots / f"{name}.png", full_page=True)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        # What a page that is left behind was still asking for.
        if request.failure != "net::ERR_ABORTED" or request.resource_type != "fetch":
            self.complaints.append(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"answered {response.status}: {response.request.method} {response.url}")
