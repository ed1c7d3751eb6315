"""A host's web server on an origin of its own: files by name, and one endpoint that signs a person in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

MEDIA_TYPES = {"html": "text/html", "js": "text/javascript", "ico": "image/x-icon"}


class HostServer:
    """Set `files` and `api_url` before a browser asks; `origin` is known from the start."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.files: dict[str, str] = {}
        self.api_url = ""

    def file(self, name: str) -> tuple[str, str] | None:
        """Media type and text. The guide's address of kota-bff becomes the real one."""
        text = "" if name == "favicon.ico" else self.files.get(name)
        if text is None:
            return None
        return MEDIA_TYPES[name.rpartition(".")[2]], text.replace("https://benefits-api.example.com", self.api_url)

    def identity(self) -> str:
        """JSON with the JWT of somebody who is signed in here."""
        return httpx.post(f"{self.api_url}/demo/sign-in", json={"person": "demo-tom"}).text


@contextmanager
def served(host: HostServer) -> Iterator[HostServer]:
    """Listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = host.file(self.path.lstrip("/"))
            if found is None:
                self.send_error(404)
            else:
                self._answer(*found)

        def do_POST(self) -> None:
            self._answer("application/json", host.identity())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def _answer(self, media_type: str, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{media_type}; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

    server = ThreadingHTTPServer(("127.0.0.1", int(host.origin.rpartition(":")[2])), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
