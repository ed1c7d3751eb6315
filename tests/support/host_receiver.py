"""A host's endpoint for our messages, in a thread of the test."""

import json
import threading
from base64 import b64encode
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_" + b64encode(b"made up for a host of tests").decode()


class HostReceiver:
    """Takes every message that is signed well; use it as a context manager."""

    def __init__(self) -> None:
        self.versions: defaultdict[str, set[int]] = defaultdict(set)
        self.latest: dict[str, dict[str, Any]] = {}
        self.refused = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(body, dict(self.headers))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: ARG002 - the base class prints every request
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        content = Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})
        message: dict[str, Any] = json.loads(body)
        assert content == message
        seen = self.versions[message["object"]]
        if message["version"] >= max(seen, default=0):
            self.latest[message["object"]] = message
        seen.add(message["version"])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
