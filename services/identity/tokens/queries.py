"""The keys that sign, the sessions one has, and what is told of oneself."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.authorization import Principal
from kernel.config import ServiceSettings
from kernel.errors import Unavailable
from kernel.pagination import Page, Paged, paginate
from kernel.scopes import Scope
from services.identity.organizations import queries as organizations
from services.identity.people import queries as people
from services.identity.people.models import RoleAssignment
from services.identity.tokens import rules
from services.identity.tokens.models import SigningKey, SignInSession

_FRESH_FOR = 30.0
_COOL_DOWN = 1.0


async def published_keys(session: AsyncSession) -> Sequence[SigningKey]:
    """The keys that verify now, the newest first; the one that signs is among them."""
    found = await session.scalars(
        select(SigningKey)
        .where(or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > clock.now()))
        .order_by(SigningKey.not_before.desc(), SigningKey.id.desc())
    )
    return found.all()


class SigningKeys:
    """Identity's own keys, read from its table and kept for half a minute.

    The table is the truth: a process that has just started knows what the others know, and a
    retired key ends everywhere within that time.
    """

    def __init__(self, engine: AsyncEngine, sealing_key: str) -> None:
        self._engine = engine
        self._sealing_key = sealing_key
        self._rows: Sequence[SigningKey] = ()
        self._public: dict[str, Any] = {}
        self._private: dict[str, rsa.RSAPrivateKey] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def public_key(self, key_id: str) -> Any | None:
        """The key of this id; an unknown one is looked for once a second at most."""
        await self._read(within=_FRESH_FOR if key_id in self._public else _COOL_DOWN)
        return self._public.get(key_id)

    async def documents(self) -> list[dict[str, Any]]:
        """The published keys as RFC 7517 writes them."""
        await self._read(within=_FRESH_FOR)
        return [row.public_key for row in self._rows]

    async def signing_key(self) -> tuple[str, rsa.RSAPrivateKey]:
        """The id and the private part of the key that signs now."""
        await self._read(within=_FRESH_FOR)
        now = clock.now()
        current = next((row for row in self._rows if row.not_before <= now), None)
        if current is None:
            raise Unavailable("There is no key to sign tokens with yet; try again in a second.")
        if current.id not in self._private:
            self._private[current.id] = rules.opened_private_key(
                self._sealing_key, current.id, current.sealed_private_key
            )
        return current.id, self._private[current.id]

    async def _read(self, *, within: float) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at < within:
                return
            async with database.transaction(self._engine, read_only=True) as session:
                self._rows = await published_keys(session)
            self._public = {row.id: RSAAlgorithm.from_jwk(row.public_key) for row in self._rows}
            self._read_at = time.monotonic()

    def forget(self) -> None:
        """Read the table anew at the next question: this process has just changed it."""
        self._read_at = float("-inf")


def signing_keys(engine: AsyncEngine, settings: ServiceSettings) -> SigningKeys:
    """The key source of this process."""
    return SigningKeys(engine, settings.sealing_key.get_secret_value())


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session as its owner sees it."""

    id: UUID
    client: str | None
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


async def own_sessions(session: AsyncSession, actor: Principal, page: Page) -> Paged[OwnSession]:
    """The sessions of the caller that can still be refreshed, in the order of their beginning."""
    person = await people.person(session, actor.person_id)
    now = clock.now()
    found = await paginate(
        session,
        select(SignInSession).where(
            SignInSession.person_id == actor.person_id,
            SignInSession.session_epoch == person.session_epoch,
            SignInSession.ended_at.is_(None),
            SignInSession.idle_at > now,
            SignInSession.expires_at > now,
        ),
        page,
        by=(SignInSession.id,),
    )
    items = [
        OwnSession(
            row.id,
            row.client,
            row.started_at,
            row.last_used_at,
            row.expires_at,
            str(row.id) == actor.session_id,
        )
        for row in found.items
    ]
    return Paged(items, found.next_cursor)


async def session_to_change(session: AsyncSession, session_id: UUID) -> SignInSession | None:
    """A session, locked: two who refresh it at once come one after the other."""
    found: SignInSession | None = await session.scalar(
        select(SignInSession).where(SignInSession.id == session_id).with_for_update()
    )
    return found


@dataclass(frozen=True, slots=True)
class Me:
    """Who the caller is, as the rows say now."""

    id: UUID
    name: str
    email: str
    organization: str
    platform: str
    platform_role: str | None
    manager_id: UUID | None
    assignments: list[RoleAssignment]


async def me(session: AsyncSession, actor: Principal) -> Me:
    """The caller with the roles held and the one that tokens name."""
    person = await people.person(session, actor.person_id)
    organization = await organizations.organization(session)
    main = people.main_assignment(person)
    return Me(
        person.id,
        person.name,
        person.email,
        organization.slug,
        organization.platform,
        main.role if main else None,
        person.manager_id,
        person.assignments,
    )


@dataclass(frozen=True, slots=True)
class Permission:
    """One capability at one scope, and the assignments behind it, the oldest first."""

    capability: str
    scope: Scope
    because: list[UUID]


def permissions(actor: Principal) -> list[Permission]:
    """What the caller's roles give, in the order of the capabilities' names, wider scopes first."""
    because: dict[tuple[str, Scope], list[UUID]] = defaultdict(list)
    for grant in actor.authority.grants:
        because[grant.capability, grant.scope].append(grant.assignment_id)
    order = list(Scope)
    return [
        Permission(capability, scope, sorted(set(because[capability, scope])))
        for capability, scope in sorted(because, key=lambda held: (held[0], order.index(held[1])))
    ]
