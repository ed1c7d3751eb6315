"""docs/kota-bff.http: a request for every operation, for the HTTP clients of editors. `make http` writes it."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from app.main import ROUTERS
from app.web.openapi import install_openapi

HEAD = """\
# Every request of kota-bff, for the HTTP client of an editor (VS Code with REST Client, JetBrains, Zed, …).
# Written by `make http` from the OpenAPI document; changes by hand are lost.
#
# With `make dev` running, `. .kota-bff/dev.env` sets SERVICE_KEY, and a frontend token comes from
# `kota-bff token --employer acme --employee ada --audience employer --audience employee`.

@url = http://127.0.0.1:8000
@service = SERVICE_KEY
@frontend = FRONTEND_TOKEN
"""
VALUES = {"ref": "acme"}
"""What stands for a path parameter; its own name where nothing better is known."""

Json = Mapping[str, Any]


def http_file(openapi: Json) -> str:
    """The text of the file for an OpenAPI document, in the order of its paths."""
    requests = [
        "\n".join(_request(method, path, operation, openapi))
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    return "\n".join([HEAD, *requests])


def described_api() -> Json:
    """The OpenAPI document of every router, which needs no configuration."""
    app = FastAPI(title="kota-bff")
    for router in ROUTERS:
        app.include_router(router)
    install_openapi(app)
    return app.openapi()


def _request(method: str, path: str, operation: Json, openapi: Json) -> Iterator[str]:
    yield f"### {operation['summary']}"
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            yield f"# ?{parameter['name']}="
    target = re.sub(r"{(\w+)}", lambda found: VALUES.get(found[1], found[1]), path)
    yield f"{method.upper()} {{{{url}}}}{target}"
    schemes = openapi["components"].get("securitySchemes", {})
    for name in (name for alternative in operation.get("security", []) for name in alternative):
        header = schemes[name].get("name")
        yield f"{header}: {schemes[name]['description']}" if header else f"Authorization: Bearer {{{{{name}}}}}"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Content-Type: {media_type}"
        yield ""
        yield json.dumps(_example(content.get("schema", {}), openapi), indent=2, ensure_ascii=False)
    yield ""


def _example(schema: Json, openapi: Json) -> Any:
    """The schema's own first example; else one made of those of its required members."""
    if reference := schema.get("$ref"):
        return _example(openapi["components"]["schemas"][reference.rpartition("/")[2]], openapi)
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    if "default" in schema or "const" in schema:
        return schema.get("const", schema.get("default"))
    for choice in schema.get("anyOf", schema.get("allOf", [])):
        return _example(choice, openapi)
    if schema.get("type") == "object":
        members = schema.get("properties", {})
        return {name: _example(members[name], openapi) for name in schema.get("required", []) if name in members}
    return [] if schema.get("type") == "array" else schema.get("type", "string")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(http_file(described_api()), encoding="utf-8")
