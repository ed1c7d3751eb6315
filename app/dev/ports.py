"""Free ports on 127.0.0.1."""

import random
import socket

# Below the range from which Linux and macOS take the ports of outgoing connections: a server that is down for a moment
# finds its port free when it comes back.
LOWEST, HIGHEST = 15_000, 30_000


def free_port() -> int:
    """Was free a moment ago. Raises OSError when a hundred tries find none."""
    candidates = (random.randint(LOWEST, HIGHEST) for _ in range(100))  # noqa: S311 - nothing here is a secret
    for port in candidates:
        if is_free(port):
            return port
    raise OSError("No free port on 127.0.0.1.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # What closed connections leave behind does not keep a server from binding.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
