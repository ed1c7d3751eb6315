"""What docs/frontend.md shows is what the demo runs."""

import re
from pathlib import Path

from app.dev.demo.routes import STATIC

GUIDE = Path(__file__).parents[3] / "docs" / "frontend.md"


def test_guide_shows_the_embed_that_the_demo_runs() -> None:
    shown = re.search(r"`embed\.js`:\n\n```js\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert shown[1] == (STATIC / "embed.js").read_text(encoding="utf-8")
