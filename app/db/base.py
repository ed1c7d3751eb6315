"""The declarative base: naming of constraints and the few column types that every table shares."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import DateTime, Enum, MetaData, Table, Text
from sqlalchemy.orm import DeclarativeBase

# Constraints get their names from here, so that a migration can name what it drops.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Strings are `text`, instants are `timestamptz`: PostgreSQL gains nothing from other lengths or zones."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime: DateTime(timezone=True),
        # By value and as text: a new member then needs no migration.
        StrEnum: Enum(
            StrEnum, native_enum=False, length=32, values_callable=lambda enum: [item.value for item in enum]
        ),
    }


def table_of(model: type[Base]) -> Table:
    """For statements that are built once and run often: one on a class takes the way of the ORM at every run."""
    return Base.metadata.tables[model.__tablename__]
