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
# The order works against `make dev`: an employer and an employee come first, and what ends them comes last (to withdraw
# them is then refused, since Kota has them). Fill in the values below. `. .kota-bff/dev.env` sets SERVICE_KEY, and a
# frontend token comes from
# `kota-bff token --employer acme-ie --employee emp-42 --audience employer --audience employee`.

@url = http://127.0.0.1:8000
@service = SERVICE_KEY
@frontend = FRONTEND_TOKEN

# t=<seconds>,v1=<hex of HMAC-SHA256 over t, a dot and the raw body>; `make dev` prints commands that make one.
@kota_signature = SIGNATURE

# From earlier answers: each record's `kota_id`, ids of what was made or listed, the report's `digest`, and the token of
# the preview just before. docs/sandbox.md says how to have Kota ask for something (`/_control/emit`): before, there are
# no notifications and reports.
@employers_kota_id = KOTA_ID
@employees_kota_id = KOTA_ID
@batch = ID
@event = ID
@message = ID
@notification = ID
@report = ID
@digest = DIGEST
@confirmation_token = TOKEN
"""
PARAMETERS = {
    "employers": "acme-ie",
    "employees": "emp-42",
    "batches": "{{batch}}",
    "contribution-reports": "{{report}}",
    "events": "{{event}}",
    "notifications": "{{notification}}",
    "outbox": "{{message}}",
}
"""What stands for a path parameter, by the part of the path before it."""
FROM_ANSWERS = {"confirmation_token": "{{confirmation_token}}", "digest": "{{digest}}"}
"""What stands for a member of a body of which nobody can make up a value."""

Json = Mapping[str, Any]


def http_file(openapi: Json) -> str:
    """The text of the file for an OpenAPI document."""
    operations = [
        (method, path, operation)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    operations.sort(key=lambda one: _turn(*one[:2]))
    return "\n".join([HEAD, *("\n".join(_request(*one, openapi)) for one in operations)])


def _turn(method: str, path: str) -> tuple[int, bool]:
    """In the order of the document, but records before all that is about them, and at the end what ends them:
    employees before their employer."""
    is_of_employers = path.startswith("/internal/employers/")
    if method == "put" and path.endswith("{ref}"):
        return 0, False
    if "/offboarding" in path:
        return 2, is_of_employers
    return (3, is_of_employers) if method == "delete" else (1, False)


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
    target = re.sub(r"([\w-]+)/{(\w+)}", lambda found: f"{found[1]}/{PARAMETERS.get(found[1], found[2])}", path)
    yield f"{method.upper()} {{{{url}}}}{target}"
    schemes = openapi["components"].get("securitySchemes", {})
    for name in (name for alternative in operation.get("security", []) for name in alternative):
        header = schemes[name].get("name")
        yield f"{header}: {{{{{name}}}}}" if header else f"Authorization: Bearer {{{{{name}}}}}"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Content-Type: {media_type}"
        yield ""
        yield _body(content, openapi, path)
    yield ""


def _body(content: Json, openapi: Json, path: str) -> str:
    """The media type's own example, or one of its schema; text stands as it is."""
    body = content["example"] if "example" in content else _example(content.get("schema", {}), openapi)
    if isinstance(body, str):
        return body.removesuffix("\n")
    known = dict(FROM_ANSWERS)
    if path.endswith("/link"):
        known["kota_id"] = f"{{{{{path.split('/')[2]}_kota_id}}}}"
    return json.dumps({name: known.get(name, value) for name, value in body.items()}, indent=2, ensure_ascii=False)


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
