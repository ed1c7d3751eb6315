"""The JWKS of a host, in a thread of the test."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class JWKSServer:
    """Serves the keys that are published and not withdrawn; use it as a context manager."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, Any]] = {}
        published = self._keys

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"keys": list(published.values())}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: ARG002 - the base class prints every request
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    def publish(self, key_id: str) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """A new key, beside those that there are; its id and its private half."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._keys[key_id] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"}
        return key_id, key

    def withdraw(self, key_id: str) -> None:
        """It is served no more."""
        del self._keys[key_id]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
