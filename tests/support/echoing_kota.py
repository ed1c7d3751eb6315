"""A Kota that quotes people in its refusals, before the sandbox, in a thread of the test."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"}


class EchoingKota:
    """Hands everything on to `upstream`, but for employees whose last name is in `refused`: those it refuses, and its
    problem quotes each value of the record. Use it as a context manager."""

    def __init__(self) -> None:
        self.upstream = ""
        self.refused: set[str] = set()
        self.refusals = 0
        echoing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                answer = echoing.answer(self.command, self.path, dict(self.headers), body)
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP | {"content-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 - the base class calls them so

            def log_message(self, format: str, *args: Any) -> None:  # noqa: ARG002 - the base class prints every request
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._http = httpx.Client(timeout=30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        """The refusal, or what upstream answers."""
        if method == "POST" and path == "/employees":
            record = json.loads(body)
            if record["last_name"] in self.refused:
                self.refusals += 1
                return _refusal(record)
        kept = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
        return self._http.request(method, self.upstream + path, headers=kept, content=body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()


def _refusal(record: dict[str, Any]) -> httpx.Response:
    texts = {name: value for name, value in record.items() if isinstance(value, str)}
    problem = {
        "type": "about:blank",
        "title": f"{record['first_name']} {record['last_name']} cannot be taken",
        "detail": json.dumps(record),
        "status": 400,
        "error_code": "invalid_request",
        "trace_id": "00-made-up-trace",
        "errors": {f"$.{name}": [f"The value '{value}' is not valid."] for name, value in texts.items()},
    }
    return httpx.Response(400, json=problem, headers={"content-type": "application/problem+json"})
