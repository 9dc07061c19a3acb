"""The base of every event: a fact in the past tense, or a whole record of reference data."""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """Published in the transaction of the change; each names who subscribes to it by contract."""

    model_config = ConfigDict(frozen=True)

    name: ClassVar[str]
    subscribers: ClassVar[tuple[str, ...]]

    @property
    def resource(self) -> str:
        """Events of one resource arrive in the order in which they were published."""
        raise TypeError(f"{type(self).__name__} names no resource")


class Record(Event):
    """A whole record, applied by its receivers if it is newer than what they have."""

    id: UUID
    version: int

    @property
    def resource(self) -> str:
        return f"{self.name}:{self.id}"
