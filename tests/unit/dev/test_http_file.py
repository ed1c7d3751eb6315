from pathlib import Path

from app.dev.http_file import described_api, http_file

FILE = Path(__file__).parents[3] / "docs" / "kota-bff.http"


def test_http_file_is_what_the_interface_says_today() -> None:
    assert FILE.read_text(encoding="utf-8") == http_file(described_api()), "run `make http`"


def test_every_operation_is_requested_with_its_credential() -> None:
    text = http_file(described_api())
    operations = [item for path in described_api()["paths"].values() for item in path.values()]
    assert text.count("\n### ") == len(operations)
    assert text.count("Bearer {{") + text.count("\nx-kota-webhook-signature: ") == sum(
        "security" in operation for operation in operations
    )
    assert "POST {{url}}/sessions\nAuthorization: Bearer {{frontend}}\nContent-Type: application/json" in text


def test_body_is_made_up_where_there_is_no_example() -> None:
    schema = {
        "type": "object",
        "required": ["name", "kind", "parts", "limit"],
        "properties": {
            "name": {"type": "string"},
            "kind": {"$ref": "#/components/schemas/Kind"},
            "parts": {"type": "array"},
            "limit": {"anyOf": [{"type": "integer", "default": 5}, {"type": "null"}]},
            "optional": {"type": "string"},
        },
    }
    openapi = {
        "paths": {
            "/things/{id}": {
                "put": {
                    "summary": "A thing",
                    "parameters": [{"in": "query", "name": "dry"}],
                    "requestBody": {"content": {"application/json": {"schema": schema}}},
                }
            }
        },
        "components": {"schemas": {"Kind": {"enum": ["small", "large"]}}},
    }
    assert http_file(openapi).endswith(
        """\
### A thing
# ?dry=
PUT {{url}}/things/id
Content-Type: application/json

{
  "name": "string",
  "kind": "small",
  "parts": [],
  "limit": 5
}
"""
    )
