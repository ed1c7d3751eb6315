"""What Kota may do at any time and a client must survive: all of it random, and the same again with the same seed."""

from random import Random
from typing import Any

from app.sandbox.settings import SandboxSettings
from app.sandbox.store import Json


class Noise:
    """Chances are taken from the settings, so that a kind sandbox makes no noise."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        # Not for secrets: what it decides has to be repeatable.
        self._random = Random(settings.seed)  # noqa: S311

    def chance(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def dressed(self, body: Json) -> Json:
        """A resource as an answer shows it: with members, and now and then a status, that no document names."""
        drift = self._settings.drift
        if drift == 0:
            return body
        shown: dict[str, Any] = {**body, "display_hints": {"tier": "standard", "badges": []}, "revision_hint": None}
        if body.get("status") == "pending" and self.chance(drift):
            shown["status"] = "in_review"
        return shown

    def envelope(self, body: Json) -> Json:
        """A webhook's envelope; now and then its time goes by the other name that Kota's pages use."""
        if "created_at" in body and self.chance(self._settings.drift):
            return {("created" if name == "created_at" else name): value for name, value in body.items()}
        return body
