"""What `kota-bff dev` says when it is ready: where everything is, and commands that work when pasted."""

import json
import sys
from pathlib import Path

from app.dev.children import kota_bff
from app.dev.environment import Addresses, quote

EMPLOYER = {
    "legal_name": "Acme Example Ltd",
    "legal_address": {"line1": "1 Example Street", "city": "Dublin", "postal_code": "D02 X285", "country_code": "IE"},
    "contact": {"name": "Pat Example", "email": "pat@example.com"},
}
EMPLOYEE = {
    "employer_ref": "acme",
    "first_name": "Ada",
    "last_name": "Example",
    "date_of_birth": "1990-01-01",
    "sex_at_birth": "female",
    "home_address": {"line1": "2 Example Street", "city": "Dublin", "postal_code": "D02 X285", "country_code": "IE"},
    "national_tax_id": "1234567T",
    "start_on": "2025-01-01",
    "phone_number": "+353851234567",
    "email": "ada@example.com",
}
EVENT = {"id": "evt_by_hand", "type": "employee.updated", "data": {"id": "ee_by_hand", "employer_id": "er_by_hand"}}
SIGN = (
    "import hmac, os, sys; "
    'print(hmac.digest(os.environ["WEBHOOK_SECRET"].encode(), sys.stdin.buffer.read(), "sha256").hex())'
)


def banner(dev_env: Path, *, addresses: Addresses) -> str:
    """Commands are the lines that start with two spaces; pasted in order they work in any POSIX shell."""
    token = f"{quote(kota_bff())} token --employer acme --employee ada --audience employer --audience employee"
    signature = f"""printf '%s.%s' "$AT" "$BODY" | {quote(sys.executable)} -c '{SIGN}'"""
    sections = {
        f"kota-bff is ready: API {addresses.api_url} (its documentation at /docs), Kota sandbox {addresses.sandbox_url}"
        "\nIn another terminal:": [f". {quote(str(dev_env))}"],
        "An employer, and an employee of it:": [
            _curl("PUT", "$KOTA_BFF_URL/internal/employers/acme", token="$SERVICE_KEY", body=EMPLOYER),  # noqa: S106
            _curl("PUT", "$KOTA_BFF_URL/internal/employees/ada", token="$SERVICE_KEY", body=EMPLOYEE),  # noqa: S106
        ],
        "The employee's frontend gets a token for Kota's embed:": [
            f"TOKEN=$({token})",
            _curl("POST", "$KOTA_BFF_URL/sessions", token="$TOKEN", body={"audience": "employee"}),  # noqa: S106
        ],
        "A webhook as Kota signs it:": [
            f"BODY='{json.dumps(EVENT)}' AT=$(date +%s)",
            f"SIGNATURE=$({signature})",
            'curl -sS --fail-with-body -X POST "$KOTA_BFF_URL/webhooks/kota" -H "Content-Type: application/json" \\\n'
            '    -H "x-kota-webhook-signature: t=$AT,v1=$SIGNATURE" -d "$BODY"',
        ],
        "And one that the sandbox sends by itself:": [
            'curl -sS --fail-with-body -X POST "$SANDBOX_URL/_control/emit" -H "Content-Type: application/json" \\\n'
            """    -d '{"type": "employer.updated", "version": "v2"}'""",
        ],
    }
    paragraphs = ["\n".join([title, *(f"  {command}" for command in commands)]) for title, commands in sections.items()]
    return "\n\n".join(["", *paragraphs, "Ctrl-C stops everything; the data stays.", ""])


def _curl(method: str, url: str, *, token: str, body: object) -> str:
    headers = f'-H "Authorization: Bearer {token}" -H "Content-Type: application/json"'
    return f"""curl -sS --fail-with-body -X {method} "{url}" {headers} \\\n    -d '{json.dumps(body)}'"""
