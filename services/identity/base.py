"""The base of every table of identity."""

from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass

from kernel.database import COLUMN_TYPES, new_metadata


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """A table is a typed dataclass; missing fields fail in the type checker."""

    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES
