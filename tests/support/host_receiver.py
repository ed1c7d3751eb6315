"""A host's endpoint for our messages, in a thread of the test."""

import json
import random
import threading
from base64 import b64encode
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + b64encode(b"made up for a host of tests").decode()


class HostReceiver:
    """Takes every message that is signed well; use it as a context manager.

    `fails` is how often it keeps a message and then says that it did not, so that the same comes again.
    """

    def __init__(self, *, fails: float = 0.0) -> None:
        self.versions: defaultdict[str, set[int]] = defaultdict(set)
        self.latest: dict[str, dict[str, Any]] = {}
        self.bodies: defaultdict[str, set[bytes]] = defaultdict(set)
        """What came under each message id: the same bytes every time."""
        self.received: Counter[str] = Counter()
        """How often each message id came."""
        self.refused = 0
        self._lock = threading.Lock()
        rng = random.Random(1)  # noqa: S311 - reproducible, not secret
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Whoever sent it was killed in the middle: no message came.
                    return
                taken = receiver.take(body, {name.lower(): value for name, value in self.headers.items()})
                self.send_response((503 if rng.random() < fails else 204) if taken else 401)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: ARG002 - the base class prints every request
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def take(self, body: bytes, headers: dict[str, str]) -> bool:
        """Keep a message; False if it is not signed as Standard Webhooks says."""
        with self._lock:
            try:
                Webhook(SECRET).verify(body, headers)
            except WebhookVerificationError:
                self.refused += 1
                return False
            message: dict[str, Any] = json.loads(body)
            self.bodies[headers["webhook-id"]].add(body)
            self.received[headers["webhook-id"]] += 1
            seen = self.versions[message["object"]]
            if message["version"] >= max(seen, default=0):
                self.latest[message["object"]] = message
            seen.add(message["version"])
            return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
