import json
import re
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


def test_every_value_that_a_request_needs_is_named_at_the_top() -> None:
    text = http_file(described_api())
    assert set(re.findall(r"{{(\w+)}}", text)) == set(re.findall(r"^@(\w+) = \S", text, re.MULTILINE))


def test_no_request_asks_for_a_made_up_value() -> None:
    assert '"string"' not in http_file(described_api())


def test_records_come_before_what_is_about_them_and_their_end_comes_last() -> None:
    calls = re.findall(r"^((?:GET|PUT|POST|DELETE) \S+)", http_file(described_api()), re.MULTILINE)
    assert calls[:2] == ["PUT {{url}}/internal/employers/acme-ie", "PUT {{url}}/internal/employees/emp-42"]
    assert [call.removeprefix("POST {{url}}/internal/") for call in calls if "/offboarding" in call] == [
        "employees/emp-42/offboarding/preview",
        "employees/emp-42/offboarding",
        "DELETE {{url}}/internal/employees/emp-42/offboarding",
        "employers/acme-ie/offboarding/preview",
        "employers/acme-ie/offboarding",
    ]
    assert calls[-1] == "DELETE {{url}}/internal/employers/acme-ie"


def test_lines_of_a_batch_are_the_records_of_the_other_requests() -> None:
    text = http_file(described_api())
    _, _, batch = text.partition("Content-Type: application/x-ndjson\n\n")
    lines = [json.loads(line) for line in batch.partition("\n\n")[0].splitlines()]
    assert [(line["kind"], line["ref"]) for line in lines] == [("employer", "acme-ie"), ("employee", "emp-42")]
    for line in lines:
        _, _, put = text.partition(f"PUT {{{{url}}}}/internal/{line['kind']}s/{line['ref']}\n")
        assert json.loads(put.partition("\n\n")[2].partition("\n\n")[0]) == line["record"]


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
