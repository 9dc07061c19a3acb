"""Signing in, refreshing and ending sessions.

Who is refused hears one thing only, and costs the same work: nobody learns by it which
organizations, addresses or people there are. What a refusal leaves behind (a counted failure, an
ended session, an audit entry) is committed although the answer is an error; so these commands open
their transactions themselves.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import audit, clock, database, outbox
from kernel.authorization import Principal
from kernel.errors import NotFound, Unauthenticated
from kernel.ids import uuid7
from kernel.tokens import ALGORITHM, AUDIENCE, TOKEN_TYPE
from services.identity.assignments.commands.guarding import under_lock
from services.identity.assignments.policy import require_may_manage
from services.identity.assignments.queries import authority_of
from services.identity.organizations import queries as organizations
from services.identity.organizations.models import Organization
from services.identity.people import commands as people_commands
from services.identity.people import queries as people
from services.identity.people.commands import passwords
from services.identity.people.models import Person
from services.identity.tokens import queries, rules
from services.identity.tokens.commands import throttling
from services.identity.tokens.models import SignInSession
from services.identity.tokens.queries import SigningKeys
from services.identity.tokens.schemas import NewSession

SigningPair = tuple[str, RSAPrivateKey]
NOWHERE = UUID(int=0)
"""The organization in which nobody is found, so that looking there costs the same."""


class SignInRefused(Unauthenticated):
    """The organization, the address or the password is wrong, or the person is not active."""

    title = "These credentials do not sign in"


class RefreshTokenIsOver(Unauthenticated):
    """The refresh token is used, expired, ended or none of ours; sign in again."""

    title = "The session has ended"


@dataclass(frozen=True, slots=True)
class Issuer:
    """What it takes to issue tokens in this process."""

    engine: AsyncEngine
    keys: SigningKeys
    name: str
    """The `iss`: the public address."""
    sealing_key: str
    wake: Callable[[], None]

    @asynccontextmanager
    async def transaction(self, organization_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        async with database.transaction(self.engine, organization_id) as session:
            session.info["wake_loops"] = self.wake
            yield session

    def secret(self, purpose: str) -> bytes:
        return rules.derived_key(self.sealing_key, purpose)


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a session is asked for."""

    address: str
    client: str | None


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """What a sign-in and every refresh give."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = int(rules.ACCESS_LIFETIME.total_seconds())


@dataclass(frozen=True, slots=True)
class _Found:
    organization_id: UUID | None
    person: Person | None

    @property
    def password_hash(self) -> str | None:
        return self.person.password_hash if self.person else None


async def sign_in(issuer: Issuer, wanted: NewSession, origin: Origin) -> IssuedTokens:
    """A new session for whoever knows the password; `SignInRefused` for all others alike."""
    counters = rules.counters_of(
        issuer.secret("sign-in"), wanted.organization, wanted.email, origin.address
    )
    async with throttling.attempt(issuer.engine, counters) as attempt:
        found = await _found(issuer, wanted)
        # No transaction is open here: who waits for a core to hash on holds no connection.
        is_correct = await passwords.is_correct(
            wanted.password.get_secret_value(), found.password_hash
        )
        if found.person is not None and found.person.is_active and is_correct:
            issued = await _opened(issuer, found.person, origin)
            if issued is not None:
                attempt.has_succeeded = True
                return issued
        attempt.has_failed = True
        await _record_refusal(issuer, found, attempt)
    raise SignInRefused


async def _found(issuer: Issuer, wanted: NewSession) -> _Found:
    """The person, by the same statements whether there is one or not."""
    async with throttling.at_the_door(issuer.engine) as session:
        organization = await organizations.organization_by_slug(session, wanted.organization)
        organization_id = organization.id if organization else None
        await database.enter_tenant(session, organization_id or NOWHERE)
        person = await people.person_by_email(session, wanted.email)
        if person is None:
            await people.held_roles(session, NOWHERE)
        return _Found(organization_id, person)


async def _record_refusal(issuer: Issuer, found: _Found, attempt: throttling.Attempt) -> None:
    """Count the failure and leave an entry in the organization's trail, where there is one."""
    organization_id = found.organization_id or NOWHERE
    subject = ("person", found.person.id) if found.person else ("organization", organization_id)
    async with throttling.at_the_door(issuer.engine, organization_id) as session:
        session.info["wake_loops"] = issuer.wake
        await throttling.settle(session, attempt)
        trail = await session.begin_nested()
        await outbox.publish(session, _entry(None, "session.refused", subject))
        await (trail.commit() if found.organization_id else trail.rollback())


async def _opened(issuer: Issuer, known: Person, origin: Origin) -> IssuedTokens | None:
    """The tokens of a new session, unless the person was changed since the password was checked."""
    signing = await issuer.keys.signing_key()
    async with issuer.transaction(known.organization_id) as session:
        person = await people.person(session, known.id)
        if not person.is_active or person.password_hash != known.password_hash:
            return None
        now = clock.now()
        row = SignInSession(
            person_id=person.id,
            session_epoch=person.session_epoch,
            digest=b"",
            client=(origin.client or "")[:200] or None,
            started_at=now,
            last_used_at=now,
            idle_at=now + rules.IDLE_LIFETIME,
            expires_at=now + rules.LONGEST_LIFETIME,
        )
        await _make_room(session, person.id, now)
        issued = await _issued(issuer, session, row, person, signing)
        session.add(row)
        await outbox.publish(session, _entry(person.id, "session.opened", ("session", row.id)))
        return issued


async def _make_room(session: AsyncSession, person_id: UUID, now: datetime) -> None:
    """Forget what ended long ago, and end what was not used for longest beyond the limit."""
    own = SignInSession.person_id == person_id
    long_ago = now - rules.KEPT_AFTER_END
    over = or_(SignInSession.ended_at < long_ago, SignInSession.expires_at < long_ago)
    await session.execute(delete(SignInSession).where(own, over))
    beyond = (
        select(SignInSession.id)
        .where(own, SignInSession.ended_at.is_(None))
        .order_by(SignInSession.last_used_at.desc())
        .offset(rules.MOST_SESSIONS - 1)
    )
    await session.execute(
        update(SignInSession).where(SignInSession.id.in_(beyond)).values(ended_at=now),
        execution_options={"synchronize_session": False},
    )


async def refresh(issuer: Issuer, refresh_token: str) -> IssuedTokens:
    """Fresh tokens for the last refresh token of a session, once.

    A token that was good before is in two hands: the session ends (RFC 9700 section 4.14.2).
    """
    secret = issuer.secret("refresh-token")
    named = rules.session_of_refresh_token(secret, refresh_token)
    if named is None:
        raise RefreshTokenIsOver
    organization_id, session_id = named
    signing = await issuer.keys.signing_key()
    async with issuer.transaction(organization_id) as session:
        row = await queries.session_to_change(session, session_id)
        issued = row and await _refreshed(issuer, session, row, refresh_token, signing)
    if not issued:
        raise RefreshTokenIsOver
    return issued


async def _refreshed(
    issuer: Issuer,
    session: AsyncSession,
    row: SignInSession,
    refresh_token: str,
    signing: SigningPair,
) -> IssuedTokens | None:
    now = clock.now()
    person = await people.person(session, row.person_id)
    if row.ended_at is not None or min(row.idle_at, row.expires_at) <= now:
        return None
    if row.digest != rules.digest_of(refresh_token):
        await _end(session, row, now, None, "session.refresh_token_reused")
        return None
    if not person.is_active or row.session_epoch != person.session_epoch:
        await _end(session, row, now, None, "session.refresh_refused")
        return None
    row.last_used_at, row.idle_at = now, now + rules.IDLE_LIFETIME
    await outbox.publish(session, _entry(person.id, "session.refreshed", ("session", row.id)))
    return await _issued(issuer, session, row, person, signing)


async def _issued(
    issuer: Issuer,
    session: AsyncSession,
    row: SignInSession,
    person: Person,
    signing: SigningPair,
) -> IssuedTokens:
    """A pair of tokens; the session keeps the hash of the refresh token that is good now."""
    organization = await organizations.organization(session)
    refresh_token = rules.new_refresh_token(issuer.secret("refresh-token"), organization.id, row.id)
    row.digest = rules.digest_of(refresh_token)
    key_id, private_key = signing
    access_token = jwt.encode(
        {"iss": issuer.name, "aud": AUDIENCE, **_claims(organization, row, person)},
        private_key,
        ALGORITHM,
        {"kid": key_id, "typ": TOKEN_TYPE},
    )
    return IssuedTokens(access_token, refresh_token)


def _claims(organization: Organization, row: SignInSession, person: Person) -> dict[str, Any]:
    main = people.main_assignment(person)
    now = clock.now()
    return {
        "sub": str(person.id),
        "iat": int(now.timestamp()),
        "exp": int((now + rules.ACCESS_LIFETIME).timestamp()),
        "jti": str(uuid7()),
        "org": str(organization.id),
        "platform": organization.platform,
        "platform_role": main.role if main else rules.NO_ROLE,
        "assignments": [
            {
                "id": str(held.id),
                "role": held.role,
                "unit_id": str(held.unit_id),
                "project_id": held.project_id and str(held.project_id),
            }
            for held in person.assignments
        ],
        "epoch": person.epoch,
        "sid": str(row.id),
    }


async def end_own_session(session: AsyncSession, actor: Principal, session_id: UUID) -> None:
    """Log out of one session of one's own; its access tokens die within five minutes."""
    row = await queries.session_to_change(session, session_id)
    if row is None or row.person_id != actor.person_id or row.ended_at is not None:
        raise NotFound
    await _end(session, row, clock.now(), actor.person_id, "session.ended")


async def end_all_sessions(session: AsyncSession, actor: Principal) -> None:
    """Log out everywhere: no token that the caller has is good in five seconds."""
    await organizations.organization_to_change(session)
    person = await people.person(session, actor.person_id)
    await people_commands.end_sessions(session, person)
    await audit.record(session, actor, "person.sessions_ended", ("person", person.id))


async def end_person_sessions(session: AsyncSession, actor: Principal, person_id: UUID) -> None:
    """Log somebody out everywhere, by whoever may deactivate them: a device was lost."""
    actor = await under_lock(session, actor)
    person = await people.person(session, person_id)
    require_may_manage(actor, person, await authority_of(session, person))
    await people_commands.end_sessions(session, person)
    await audit.record(session, actor, "person.sessions_ended", ("person", person.id))


async def _end(
    session: AsyncSession, row: SignInSession, now: datetime, person_id: UUID | None, action: str
) -> None:
    row.ended_at = now
    await outbox.publish(
        session, _entry(person_id, action, ("session", row.id), whose=str(row.person_id))
    )


def _entry(
    person_id: UUID | None, action: str, subject: tuple[str, UUID], **details: str
) -> audit.AuditEntry:
    """An entry of somebody who is known by a password or a token, or of nobody known."""
    entry = audit.entry_of(None, action, subject, details)
    kind = "anonymous" if person_id is None else "person"
    return entry.model_copy(update={"actor_kind": kind, "actor_id": person_id})
