"""Answers made from the schemas of Kota's OpenAPI: complete ones, scant ones, and ones full of nulls."""

from enum import Enum, auto
from typing import Any

from tests.contract.kota_openapi import URI, KotaOpenAPI

_FORMATS = {
    "date": "2026-03-02",
    "date-time": "2026-03-02T09:15:00.1234567Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
# A page that is the last one; and ids, which the document often calls optional and no answer lacks.
_FIXED = {"has_next_page": False, "total_count": 1}
_ALWAYS = {"id"}
# Some schemas contain themselves; lists end below this.
_DEEPEST = 8


class Kind(Enum):
    COMPLETE = auto()
    SCANT = auto()  # Only what is required.
    NULLS = auto()  # Null wherever it may be.


class Examples:
    def __init__(self, openapi: KotaOpenAPI, kind: Kind) -> None:
        self._openapi = openapi
        self._kind = kind

    def of(self, schema: dict[str, Any], *, depth: int = 0) -> Any:
        if "$ref" in schema:
            return self.of(self._resolved(schema["$ref"]), depth=depth)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return self._one_of(choices, depth=depth)
        if "allOf" in schema:
            return self.of(schema["allOf"][0], depth=depth)
        if "enum" in schema:
            return schema["enum"][0]
        return self._plain(schema, depth=depth)

    def _resolved(self, reference: str) -> dict[str, Any]:
        node: Any = self._openapi.document
        for part in reference.removeprefix(f"{URI}#/").split("/"):
            node = node[part]
        return dict(node)

    def _one_of(self, choices: list[dict[str, Any]], *, depth: int) -> Any:
        nullable = any(choice.get("type") == "null" for choice in choices)
        if nullable and self._kind is Kind.NULLS:
            return None
        return self.of(next(choice for choice in choices if choice.get("type") != "null"), depth=depth)

    def _plain(self, schema: dict[str, Any], *, depth: int) -> Any:
        types = schema.get("type", "object")
        types = types if isinstance(types, list) else [types]
        if "null" in types and self._kind is Kind.NULLS:
            return None
        match next(name for name in types if name != "null"):
            case "object":
                return self._object(schema, depth=depth + 1)
            case "array":
                return [self.of(schema["items"], depth=depth)] if depth < _DEEPEST else []
            case "string":
                return _FORMATS.get(schema.get("format", ""), "text")
            case "boolean":
                return True
            case "integer":
                return 1
            case "number":
                return 12.34
            case other:
                raise ValueError(other)

    def _object(self, schema: dict[str, Any], *, depth: int) -> dict[str, Any]:
        required = set(schema.get("required", ())) | _ALWAYS
        return {
            name: _FIXED[name] if name in _FIXED else self.of(member, depth=depth)
            for name, member in schema.get("properties", {}).items()
            if self._kind is not Kind.SCANT or name in required
        }
