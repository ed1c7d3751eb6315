"""Kota's published OpenAPI document as a judge of requests, answers and webhooks, where KOTA_OPENAPI names it."""

import json
import os
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

URI = "urn:kota"
_formats = FormatChecker(formats=())


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@_formats.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


class KotaOpenAPI:
    def __init__(self, path: Path) -> None:
        published = json.loads(path.read_bytes())
        self.document: dict[str, Any] = _repaired(published, open_to=("additionalProperties", "pattern"))

        self._registry = _registry(self.document)
        self._strict_registry = _registry(_repaired(published, open_to=("pattern",)))

    def faults(self, body: object, *, pointer: str, strict: bool = False) -> list[str]:
        """What is wrong with a body, judged by the schema at a JSON pointer; `strict` refuses unknown members."""
        registry = self._strict_registry if strict else self._registry
        validator = Draft202012Validator({"$ref": f"{URI}#{pointer}"}, registry=registry, format_checker=_formats)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]

    def schema_faults(self, body: object, *, schema: str) -> list[str]:
        return self.faults(body, pointer=f"/components/schemas/{schema}")

    def answer_faults(self, body: object, *, method: str, template: str, status: int) -> list[str]:
        """Statuses that the document does not declare are judged as problems."""
        answers = self.document["paths"][template][method.lower()]["responses"]
        content = answers.get(str(status), {}).get("content")
        if content is None:
            return self.schema_faults(body, schema="ProblemDetails")
        media_type = next(iter(content))
        parts = ("paths", template, method.lower(), "responses", str(status), "content", media_type, "schema")
        return self.faults(body, pointer=pointer(*parts))

    def request_faults(self, body: object, *, method: str, template: str) -> list[str]:
        """Unknown members count: Kota's documents allow none in what it is sent."""
        parts = ("paths", template, method.lower(), "requestBody", "content", "application/json", "schema")
        return self.faults(body, pointer=pointer(*parts), strict=True)

    @cached_property
    def webhooks(self) -> dict[tuple[str, str], str]:
        """The schema of each webhook by (type, version)."""
        found = {}
        for operation in (hook["post"] for hook in self.document["webhooks"].values()):
            schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            found[operation["summary"], "v2" if schema.endswith("V2Webhook") else "v1"] = schema
        return found


def _registry(document: dict[str, Any]) -> Registry[Any]:
    registry: Registry[Any] = Registry().with_resource(URI, DRAFT202012.create_resource(document))
    return registry


def pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _repaired(node: Any, *, open_to: tuple[str, ...]) -> Any:
    """The document without its known faults.

    A nullable reference is written as null and a schema at once, which nothing satisfies. Events carry any JSON, but
    are typed as an internal class. New members arrive at any time, so none is refused in an answer: the keywords in
    `open_to` are left out.
    """
    if isinstance(node, list):
        return [_repaired(item, open_to=open_to) for item in node]
    if not isinstance(node, dict):
        return node
    if str(node.get("$ref", "")).startswith("#/"):
        reference = node["$ref"]
        return {} if reference.endswith("/JsonNode") else {"$ref": f"{URI}{reference}"}
    repaired = {name: _repaired(value, open_to=open_to) for name, value in node.items() if name not in open_to}
    if node.get("type") == "null" and "allOf" in node:
        return {"anyOf": [{"type": "null"}, *repaired["allOf"]]}
    return repaired


@pytest.fixture(scope="session")
def kota_openapi() -> KotaOpenAPI:
    path = os.environ.get("KOTA_OPENAPI")
    if not path:
        pytest.skip("KOTA_OPENAPI does not name Kota's OpenAPI document")
    return KotaOpenAPI(Path(path))
