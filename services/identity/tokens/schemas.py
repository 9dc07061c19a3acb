"""Signing in, sessions and what one may do, on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from kernel.fields import CleanText, Input, Instant, Output
from kernel.scopes import Scope
from services.identity.people.schemas import HeldRoleView, Password

RefreshToken = Annotated[SecretStr, Field(min_length=1, max_length=300)]


class NewSession(Input):
    """Who signs in: the organization's slug, an address in it, and the password."""

    organization: Annotated[CleanText, Field(min_length=1, max_length=60, examples=["vabro"])]
    email: Annotated[
        CleanText,
        Field(min_length=1, max_length=254, examples=["product_owner@vabro.example"]),
    ]
    password: Password


class Refreshing(Input):
    """The refresh token that was given last; it is good once."""

    refresh_token: RefreshToken


class TokensView(Output):
    """An access token for five minutes, and a refresh token for the next one; shown once."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    """Seconds."""
    refresh_token: str


class SessionView(Output):
    """One of your sessions: where it began, when it was used, when it ends at the latest."""

    id: UUID
    client: str | None
    started_at: Instant
    last_used_at: Instant
    expires_at: Instant
    is_current: bool


class MeView(Output):
    """Who you are to Cairn, and the role that your tokens name (null without any)."""

    id: UUID
    name: str
    email: str
    organization: str
    """The slug with which you sign in."""
    platform: str
    platform_role: str | None
    manager_id: UUID | None
    assignments: list[HeldRoleView]


class PermissionView(Output):
    """One capability at one scope, and the role assignments that give it."""

    capability: str
    scope: Scope
    because: list[UUID]


class PermissionsView(Output):
    """Everything you may do by your roles; what everybody may do needs none."""

    items: list[PermissionView]


class KeysView(Output):
    """The public keys of access tokens (RFC 7517)."""

    keys: list[dict[str, Any]]
