"""`/docs`, for people: Swagger UI over `/openapi.json`, under a policy that allows that page and no more."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

SCRIPT = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js"
STYLE = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css"


def install_docs_page(app: FastAPI) -> None:
    """Add `/docs` to `app`."""
    made = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{app.title} {app.version}",
        swagger_js_url=SCRIPT,
        swagger_css_url=STYLE,
        # No icon, where the default is one of another site.
        swagger_favicon_url="data:,",
    )
    page = bytes(made.body).decode()
    policy = {"Content-Security-Policy": _policy(page)}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=policy)


def _policy(html: str) -> str:
    inline = [hashlib.sha256(script.encode()).digest() for script in re.findall(r"<script>(.*?)</script>", html, re.S)]
    digests = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in inline)
    directives = (
        "default-src 'none'",
        f"script-src {SCRIPT} {digests}",
        f"style-src {STYLE}",
        # Swagger UI's style sheet holds its icons.
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(directives)
