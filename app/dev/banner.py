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
KOTA_ID = 'import json, sys; print(json.load(sys.stdin)["kota_id"])'


def banner(dev_env: Path, *, addresses: Addresses) -> str:
    """Commands are the lines that start with two spaces; pasted in order they work in any POSIX shell."""
    python = quote(sys.executable)
    token = f"{quote(kota_bff())} token --employer acme --employee ada --audience employer --audience employee"
    sections = {
        f"kota-bff is ready: API {addresses.api_url} (its documentation at /docs), Kota sandbox {addresses.sandbox_url}"
        f"\nA made-up host with benefits inside, for your browser: {addresses.api_url}/demo"
        "\nIn another terminal:": [f". {quote(str(dev_env))}"],
        "An employer, and an employee of it:": [
            _service("-X PUT", "employers/acme", body=_single_quoted(EMPLOYER)),
            _service("-X PUT", "employees/ada", body=_single_quoted(EMPLOYEE)),
        ],
        "The employee's frontend gets a token for Kota's embed:": [
            f"TOKEN=$({token})",
            _curl(
                "-X POST",
                "$KOTA_BFF_URL/sessions",
                "Authorization: Bearer $TOKEN",
                body="""'{"audience": "employee"}'""",
            ),
        ],
        "A webhook as Kota signs it:": [
            f"BODY={_single_quoted(EVENT)} AT=$(date +%s)",
            f"""SIGNATURE=$(printf '%s.%s' "$AT" "$BODY" | {python} -c '{SIGN}')""",
            _curl(
                "-X POST",
                "$KOTA_BFF_URL/webhooks/kota",
                "x-kota-webhook-signature: t=$AT,v1=$SIGNATURE",
                body='"$BODY"',
            ),
        ],
        "One that the sandbox sends, and what became of both:": [
            f"EMPLOYER=$({_service('', 'employers/acme')} | {python} -c '{KOTA_ID}')",
            _curl(
                "-X POST",
                "$SANDBOX_URL/_control/emit",
                body="""'{"type": "employer.updated", "version": "v2", "data": {"id": "'$EMPLOYER'"}}'""",
            ),
            _service("", "events"),
        ],
    }
    paragraphs = ["\n".join([title, *(f"  {command}" for command in commands)]) for title, commands in sections.items()]
    return "\n\n".join(["", *paragraphs, "Ctrl-C stops everything; the data stays.", ""])


def _service(options: str, path: str, *, body: str = "") -> str:
    return _curl(options, f"$KOTA_BFF_URL/internal/{path}", "Authorization: Bearer $SERVICE_KEY", body=body)


def _curl(options: str, url: str, *headers: str, body: str = "") -> str:
    """`body` is a word of the shell, quotes included. Answers end with a line break of curl's."""
    wanted = [*headers, "Content-Type: application/json"] if body else headers
    words = ["curl -sS --fail-with-body -w '\\n'", options, f'"{url}"', *(f'-H "{header}"' for header in wanted)]
    line = " ".join(word for word in words if word)
    return f"{line} \\\n    -d {body}" if body else line


def _single_quoted(value: object) -> str:
    return quote(json.dumps(value))
