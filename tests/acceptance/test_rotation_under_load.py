"""Every key is changed as SECURITY.md tells an operator, while requests go on: none that is legitimate is refused.

Two APIs stand behind a balancer that takes an instance out before it is restarted, as any balancer would.
"""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.kota import SIGNATURE_HEADER, sign
from tests.processes import wait_until
from tests.support.jwks_server import JWKSServer
from tests.support.records import employee_record, employer_record
from tests.support.stack import AUDIENCE, COMMAND, ISSUER, Process, Stack

pytestmark = [pytest.mark.acceptance, pytest.mark.threat(14)]

DEREGISTERED_AFTER = 0.3
"""Seconds until a balancer has told everybody, and what it sent before has arrived."""
SETTINGS = {
    "FRONTEND_JWKS_MAX_AGE": "1",
    "SESSIONS_PER_MINUTE": "100000",
    "SYNC_WAIT": "2",
    # Not both: the keys come from the JWKS here.
    "FRONTEND_PUBLIC_KEY": "",
}
# So slow that some request is always under way.
SANDBOX = {"SANDBOX_KIND": "true", "SANDBOX_LATENCY_MS": "500"}
PEOPLE = 4


class Balancer:
    """Hands out instances in turn, and knows how many requests each has."""

    def __init__(self, urls: list[str]) -> None:
        self._in = list(urls)
        self._lock = threading.Lock()
        self._turn = count()
        self.in_flight: Counter[str] = Counter()

    @contextmanager
    def instance(self) -> Iterator[str]:
        with self._lock:
            url = self._in[next(self._turn) % len(self._in)]
            self.in_flight[url] += 1
        try:
            yield url
        finally:
            with self._lock:
                self.in_flight[url] -= 1

    def take_out(self, url: str) -> None:
        with self._lock:
            self._in.remove(url)

    def put_in(self, url: str) -> None:
        with self._lock:
            self._in.append(url)


class Caller(threading.Thread):
    """Sends one request after the other until told to stop; keeps every answer that is no success."""

    def __init__(self, balancer: Balancer, send: Callable[[httpx.Client, str], httpx.Response]) -> None:
        super().__init__(daemon=True)
        self._balancer, self._send = balancer, send
        self.stop_it = threading.Event()
        self.refused: list[str] = []
        self.done = 0

    def run(self) -> None:
        with httpx.Client(timeout=30) as http:
            while not self.stop_it.wait(0.02):
                with self._balancer.instance() as url:
                    try:
                        answer = self._send(http, url)
                    except httpx.HTTPError as error:
                        self.refused.append(f"{time.time():.1f} {url} {error!r}")
                        continue
                    if not answer.is_success:
                        self.refused.append(
                            f"{time.time():.1f} {answer.request.url} {answer.status_code} {answer.text}"
                        )
                self.done += 1


class World:
    """The stack, its callers, and the credentials that they use at the moment."""

    def __init__(self, stack: Stack, jwks: JWKSServer) -> None:
        self.stack, self.jwks = stack, jwks
        self.balancer = Balancer(stack.api_urls)
        self.webhook_secret = stack.webhook_secret
        self.service_key = self.command("keys", "create", "payroll-1", "--scope", "sync")
        self.signer = jwks.publish("first")
        self.caught_in_flight = 0
        self._numbers = count()
        senders = [self.deliver, self.deliver, self.open_session, self.open_session, self.put, self.put]
        self.callers = [Caller(self.balancer, send) for send in senders]

    def command(self, *arguments: str) -> str:
        """What `kota-bff` prints, in the environment that processes have now."""
        run = subprocess.run(
            [*COMMAND, *arguments], env=self.stack.apis[0].env, check=True, capture_output=True, text=True, timeout=60
        )
        return run.stdout.strip()

    def deliver(self, http: httpx.Client, url: str) -> httpx.Response:
        body = json.dumps({"id": f"evt_{next(self._numbers)}", "type": "no.such.type", "data": {}}).encode()
        signature = sign(body, secret=self.webhook_secret.encode(), at=datetime.now(UTC))
        return http.post(f"{url}/webhooks/kota", content=body, headers={SIGNATURE_HEADER: signature})

    def open_session(self, http: httpx.Client, url: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token(*self.signer)}"}
        return http.post(f"{url}/sessions", json={"audience": "employee"}, headers=headers)

    def put(self, http: httpx.Client, url: str) -> httpx.Response:
        number = next(self._numbers)
        record = employee_record("acme", first_name=f"Name {number}")
        headers = {"Authorization": f"Bearer {self.service_key}"}
        return http.put(f"{url}/internal/employees/person-{number % PEOPLE}", json=record, headers=headers)

    def token(self, key_id: str, key: ec.EllipticCurvePrivateKey) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 60}
        claims |= {"kota_employer": "acme", "kota_employee": "person-0", "kota_audiences": ["employee"]}
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": key_id})

    def everybody_went_on(self) -> None:
        """Until every caller has finished two requests that it began after now: nobody uses what was in use before."""
        before = [caller.done for caller in self.callers]
        wait_until(
            lambda: all(now.done >= then + 2 for now, then in zip(self.callers, before, strict=True)), seconds=60
        )

    def restart_apis(self, changes: Mapping[str, str]) -> None:
        """One after the other, each taken out of the balancer first."""
        self.stack.env |= changes
        for url, api in zip(self.stack.api_urls, self.stack.apis, strict=True):
            self.balancer.take_out(url)
            time.sleep(DEREGISTERED_AFTER)
            self.caught_in_flight += self.balancer.in_flight[url]
            _restart(api, changes)
            wait_until(lambda url=url: _is_ready(url), seconds=60)  # type: ignore[misc]  # mypy cannot type a lambda's default.
            self.balancer.put_in(url)

    def restart_everything(self, changes: Mapping[str, str]) -> None:
        self.restart_apis(changes)
        for worker in self.stack.workers:
            _restart(worker, changes)


def test_no_legitimate_request_is_refused_while_keys_are_changed(tmp_path: Path) -> None:
    with JWKSServer() as jwks:
        settings = SETTINGS | {"FRONTEND_JWKS_URL": jwks.url}
        with Stack(tmp_path / "stack", apis=2, settings=settings, sandbox=SANDBOX, forked=True) as stack:
            _people(stack)
            world = World(stack, jwks)
            for caller in world.callers:
                caller.start()
            try:
                world.everybody_went_on()
                _service_keys(world)
                _signing_keys(world)
                _webhook_secrets_and_encryption_keys(world)
                world.everybody_went_on()
            finally:
                for caller in world.callers:
                    caller.stop_it.set()
                for caller in world.callers:
                    caller.join()
            assert [line for caller in world.callers for line in caller.refused] == []
            assert world.caught_in_flight > 0
            _everything_is_readable(stack)


def _service_keys(world: World) -> None:
    old = world.service_key
    world.service_key = world.command("keys", "create", "payroll-2", "--scope", "sync")
    world.everybody_went_on()
    world.command("keys", "revoke", "payroll-1")
    refused = httpx.get(f"{world.stack.api_urls[0]}/internal/employees", headers={"Authorization": f"Bearer {old}"})
    assert refused.status_code == 401


def _signing_keys(world: World) -> None:
    old = world.signer
    world.signer = world.jwks.publish("second")
    world.everybody_went_on()
    world.jwks.withdraw("first")
    for url in world.stack.api_urls:
        headers = {"Authorization": f"Bearer {world.token(*old)}"}
        wait_until(lambda url=url, headers=headers: httpx.get(f"{url}/me", headers=headers).status_code == 401)  # type: ignore[misc]  # As above.


def _webhook_secrets_and_encryption_keys(world: World) -> None:
    """Three restarts do for both: each of the two asks for some of them."""
    old_secret, new_secret = world.webhook_secret, "a made-up webhook secret that is new"
    old_key, new_key = world.stack.env["ENCRYPTION_KEYS"], world.command("keys", "new-encryption-key")
    world.restart_everything(
        {"KOTA_WEBHOOK_SECRETS": f"{new_secret},{old_secret}", "ENCRYPTION_KEYS": f"{old_key},{new_key}"}
    )
    world.stack.control("POST", "settings", {"webhook_secrets": [new_secret]})
    world.webhook_secret = new_secret
    world.everybody_went_on()
    world.restart_everything({"KOTA_WEBHOOK_SECRETS": new_secret, "ENCRYPTION_KEYS": f"{new_key},{old_key}"})
    said = world.command("keys", "rotate-encryption")
    # The callers write the employees anew all the time; the employer is as it was under the old key.
    assert "employers.desired: 1 rotated, 0 left" in said
    assert "Nothing is left under an older key." in said
    world.restart_everything({"ENCRYPTION_KEYS": new_key})
    body = b'{"id": "evt_old", "type": "no.such.type"}'
    signature = sign(body, secret=old_secret.encode(), at=datetime.now(UTC))
    for url in world.stack.api_urls:
        refused = httpx.post(f"{url}/webhooks/kota", content=body, headers={SIGNATURE_HEADER: signature})
        assert refused.status_code == 401


def _everything_is_readable(stack: Stack) -> None:
    """The old encryption key is gone, and all that it had encrypted is there; new records still come to Kota."""
    with httpx.Client(base_url=stack.api_urls[1], headers=stack.service_headers, timeout=30) as backend:
        record = employee_record("acme", first_name="Somebody new")
        backend.put("/internal/employees/newcomer", json=record).raise_for_status()
        for ref in ("newcomer", *(f"person-{number}" for number in range(PEOPLE))):
            path = f"/internal/employees/{ref}"
            wait_until(lambda path=path: backend.get(path).json()["sync"]["state"] == "synced")  # type: ignore[misc]  # As above.
            held = backend.get(f"{path}/personal-data").json()["employee"]["desired"]
            assert held["last_name"] == record["last_name"]
    created = stack.control("GET", "requests?path=/employees&method=POST")
    assert "Somebody new" in {request["body"]["first_name"] for request in created}


def _people(stack: Stack) -> None:
    with httpx.Client(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=30) as backend:
        backend.put("/internal/employers/acme", json=employer_record()).raise_for_status()
        for number in range(PEOPLE):
            backend.put(f"/internal/employees/person-{number}", json=employee_record("acme")).raise_for_status()
        path = "/internal/employees/person-0"
        wait_until(lambda: backend.get(path).json()["kota_status"] is not None)


def _restart(process: Process, changes: Mapping[str, str]) -> None:
    process.env = {**process.env, **changes}
    process.stop()
    process.start()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).is_success
    except httpx.TransportError:
        return False
