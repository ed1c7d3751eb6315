"""Owns an embedded PostgreSQL on the folder in the first argument; says so in one line of JSON; stops when told to."""

import json
import sys
from pathlib import Path

from app.dev.postgres import EmbeddedPostgres

if __name__ == "__main__":
    with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
        print(json.dumps({"url": server.url, "pid": server.pid, "guardian": server.guardian_pid}), flush=True)
        sys.stdin.read()
