"""One port for several processes, each of which accepts from a socket of its own.

Where all accept from one socket, the quickest takes what is there: of 32 connections that stayed open, one of two
processes held up to all 32, which costs a third of what both can answer. With SO_REUSEPORT the kernel deals them out.
"""

import socket
from typing import Any


class HeldPort(socket.socket):
    """Holds a port without listening. A process that it is handed to gets a socket of its own on the same port.

    Nobody but that process holds it: with a process that dies, the kernel stops dealing it connections.
    """

    @classmethod
    def of(cls, bound: socket.socket) -> "HeldPort":
        """Take over the port to which `bound` is bound, and close that."""
        family, address = bound.family, bound.getsockname()
        bound.close()
        held = cls._bound_to(family, address)
        # Without it the port is held also against those who would bind it while nobody listens, another `serve` first.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return held

    def __reduce__(self) -> tuple[object, ...]:
        return type(self)._bound_to, (self.family, self.getsockname())

    @classmethod
    def _bound_to(cls, family: int, address: tuple[Any, ...]) -> "HeldPort":
        port = cls(family)
        # What is left of connections of an earlier process is no hindrance.
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port.bind(address)
        return port
