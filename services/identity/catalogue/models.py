"""The table that remembers which edition of each platform the organizations were told."""

from sqlalchemy.orm import Mapped, mapped_column

from services.identity.base import Base


class LoadedPlatform(Base, kw_only=True):
    """A platform as it was loaded last; no tenant's data."""

    __tablename__ = "catalogue_platform"

    platform: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    """SHA-256 of the platform's record; another one means that organizations must hear anew."""
