"""A Kota that judges every request by Kota's OpenAPI document and answers with what the document describes."""

import json
from typing import Any
from urllib.parse import unquote

import httpx

from tests.contract.examples import Examples, Kind
from tests.contract.kota_openapi import KotaOpenAPI


class JudgedKota:
    def __init__(self, openapi: KotaOpenAPI, kind: Kind) -> None:
        self.faults: list[str] = []
        self.operations: set[str] = set()
        self._openapi = openapi
        self._examples = Examples(openapi, kind)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        template = self._template(request)
        operation = self._openapi.document["paths"][template][request.method.lower()]
        name = f"{request.method} {template}"
        self.operations.add(name)
        self.faults += [f"{name}: {fault}" for fault in self._judge(request, template, operation)]
        content = operation["responses"]["200"]["content"]["application/json"]["schema"]
        answer = self._examples.of(content)
        faults = self._openapi.answer_faults(answer, method=request.method, template=template, status=200)
        assert not faults, f"the example for {name} is none: {faults}"
        return httpx.Response(200, json=answer)

    def _template(self, request: httpx.Request) -> str:
        """The path that fits, one with fewer names in it before one with more."""
        segments = request.url.raw_path.decode().partition("?")[0].split("/")
        fitting: list[str] = [
            template
            for template, operations in self._openapi.document["paths"].items()
            if request.method.lower() in operations and _fits(template.split("/"), segments)
        ]
        return min(fitting, key=lambda template: template.count("{"))

    def _judge(self, request: httpx.Request, template: str, operation: dict[str, Any]) -> list[str]:
        declared = {parameter["name"]: parameter for parameter in operation.get("parameters", ())}
        faults = [f"unknown parameter {name}" for name in request.url.params if name not in declared]
        faults += [
            f"{name}={value} is not what is declared"
            for name, value in request.url.params.items()
            if name in declared and not self._may_be(declared[name]["schema"], value)
        ]
        if request.method == "POST" and not request.headers.get("idempotency-key"):
            faults.append("no idempotency key")
        if request.headers.get("authorization", "").partition(" ")[0] != "Bearer":
            faults.append("no bearer key")
        return faults + self._judge_body(request, template, operation)

    def _judge_body(self, request: httpx.Request, template: str, operation: dict[str, Any]) -> list[str]:
        if "requestBody" not in operation:
            return ["a body where none is declared"] if request.content else []
        if request.headers.get("content-type") != "application/json":
            return ["a body that does not say it is JSON"]
        return self._openapi.request_faults(json.loads(request.content), method=request.method, template=template)

    def _may_be(self, schema: dict[str, Any], text: str) -> bool:
        """Enums of parameters are described as objects with a `value`; what travels is the value (their own words)."""
        schema = schema["allOf"][0] if "allOf" in schema else schema
        if "$ref" in schema:
            schema = self._openapi.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "value" in schema.get("properties", {}):
            return self._may_be(schema["properties"]["value"], text)
        if schema.get("type") == "integer":
            return text.isdigit()
        return "enum" not in schema or text in schema["enum"]


def _fits(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        bool(unquote(segment)) if part.startswith("{") else part == segment
        for part, segment in zip(template, segments, strict=True)
    )
