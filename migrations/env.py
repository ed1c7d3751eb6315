"""Alembic's entry point. `app.db.migrate` hands in the connection; this file only says what to compare and how."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Enum, TypeDecorator

import app.models  # noqa: F401 - registers every table
from app.db.base import Base


def render_item(kind: str, item: Any, _autogen: object) -> str | Literal[False]:
    """Write a revision with what is in the database: it must not change when a class of ours does."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return "sa.LargeBinary()"
    if kind == "type" and isinstance(item, Enum):
        return f"sa.String({item.length})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_server_default=True,
    render_item=render_item,
    transaction_per_migration=True,
)

# Each revision commits on its own, so a long one never holds the locks of the others.
with context.begin_transaction():
    context.run_migrations()
