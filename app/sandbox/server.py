"""The sandbox as a process."""

import gc

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.sandbox.application import Sandbox
from app.sandbox.settings import SandboxSettings


class DroppableProtocol(HttpToolsProtocol):
    """Hands the connection to the application, which closes it where a fault says so."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.transport": {"transport": self.transport}}


def server(settings: SandboxSettings) -> uvicorn.Server:
    """Not started yet."""
    # Nearly everything that a journal brings back stays for good: looking for garbage in it is wasted time.
    gc.disable()
    sandbox = Sandbox.open(settings)
    gc.enable()
    gc.freeze()
    return uvicorn.Server(
        uvicorn.Config(
            sandbox,
            host=settings.host,
            port=settings.port,
            http=DroppableProtocol,
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            # Longer than clients keep an idle connection: one that is closed in the moment of its use is a fault that
            # nobody ordered.
            timeout_keep_alive=65,
            timeout_graceful_shutdown=2,
        )
    )


def run(settings: SandboxSettings) -> None:
    """Serves until SIGINT or SIGTERM."""
    server(settings).run()
