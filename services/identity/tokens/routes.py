"""Operations on sessions, on oneself and one's password, and the public keys."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request, Response

from kernel.app import Runtime, new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated, problems
from kernel.pagination import Paged, PageOf, Paging
from kernel.transactions import ReadOnly, Transaction
from services.identity.people.schemas import NewPassword
from services.identity.tokens import commands, queries
from services.identity.tokens.commands.sessions import Origin
from services.identity.tokens.queries import SigningKeys
from services.identity.tokens.schemas import (
    KeysView,
    MeView,
    NewSession,
    PermissionsView,
    PermissionView,
    Refreshing,
    SessionView,
    TokensView,
)

sessions = new_router("sessions", "/v1/sessions")
me = new_router("me", "/v1/me")
keys = new_router("keys", "/.well-known")
people = new_router("people", "/v1/people")
ROUTERS = (sessions, me, keys, people)

PUBLIC = {"x-cairn-public": True}
SECRET = {"x-cairn-public": True, "x-cairn-secret": True}
ANYBODYS_BODY = 16 * 1024
"""Bytes of a body that is read before anybody knows who sends it."""


def _issuer(request: Request) -> commands.Issuer:
    runtime: Runtime = request.app.state.runtime
    return commands.Issuer(
        engine=runtime.engine,
        keys=cast(SigningKeys, runtime.keys),
        name=runtime.settings.issuer,
        sealing_key=runtime.settings.sealing_key.get_secret_value(),
        wake=runtime.wake.set,
    )


def _origin(request: Request) -> Origin:
    """The gateway writes `X-Forwarded-For` itself: what a client says there does not arrive."""
    direct = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for", direct)
    return Origin(forwarded.rpartition(",")[2].strip(), request.headers.get("user-agent"))


def _own_session_id(actor: Actor) -> UUID:
    try:
        return UUID(actor.session_id)
    except ValueError as error:
        raise NotFound from error


Issuing = Annotated[commands.Issuer, Depends(_issuer)]
From = Annotated[Origin, Depends(_origin)]


@sessions.post(
    "",
    response_model=TokensView,
    status_code=201,
    openapi_extra=SECRET,
    responses=problems(Unauthenticated, TooManyRequests),
    max_body_size=ANYBODYS_BODY,
)
async def sign_in(
    wanted: NewSession,
    issuer: Issuing,
    origin: From,
    response: Response,
) -> commands.IssuedTokens:
    """Begin a session: an access token for five minutes, and a refresh token for the next.

    A session ends 30 days after its last refresh and 90 days after the sign-in. After too many
    wrong passwords, answers are 429 for at most 15 minutes.
    """
    response.headers["Cache-Control"] = "no-store"
    return await commands.sign_in(issuer, wanted, origin)


@sessions.post(
    "/refresh",
    response_model=TokensView,
    openapi_extra=SECRET,
    responses=problems(Unauthenticated),
    max_body_size=ANYBODYS_BODY,
)
async def refresh_session(
    wanted: Refreshing, issuer: Issuing, response: Response
) -> commands.IssuedTokens:
    """Exchange the refresh token that was given last, once; a used one ends its session."""
    response.headers["Cache-Control"] = "no-store"
    return await commands.refresh(issuer, wanted.refresh_token.get_secret_value())


@sessions.get("", response_model=PageOf[SessionView])
async def list_sessions(actor: Actor, session: ReadOnly, page: Paging) -> Paged[queries.OwnSession]:
    """Your sessions that can still be refreshed."""
    return await queries.own_sessions(session, actor, page)


@sessions.delete("", status_code=204)
async def end_sessions(actor: Actor, session: Transaction) -> None:
    """Log out everywhere: within five seconds none of your tokens is good any more."""
    await commands.end_all_sessions(session, actor)


@sessions.delete("/current", status_code=204, responses=problems(NotFound))
async def end_current_session(
    actor: Actor, session: Transaction, session_id: Annotated[UUID, Depends(_own_session_id)]
) -> None:
    """Log out: the session is not refreshed again; its last access token ends by itself."""
    await commands.end_own_session(session, actor, session_id)


@sessions.delete("/{session_id}", status_code=204, responses=problems(NotFound))
async def end_session(session_id: UUID, actor: Actor, session: Transaction) -> None:
    """End one of your sessions, such as that of a device you have lost."""
    await commands.end_own_session(session, actor, session_id)


@people.delete("/{person_id}/sessions", status_code=204, responses=problems(Forbidden, NotFound))
async def end_person_sessions(person_id: UUID, actor: Actor, session: Transaction) -> None:
    """Log somebody out everywhere, for whoever may manage them; they may sign in again."""
    await commands.end_person_sessions(session, actor, person_id)


@me.get("", response_model=MeView)
async def get_me(actor: Actor, session: ReadOnly) -> queries.Me:
    """Who you are, which roles you hold, and the one that your tokens name."""
    return await queries.me(session, actor)


@me.get("/permissions")
async def list_my_permissions(actor: Actor) -> PermissionsView:
    """What you may do by your roles, and because of which."""
    held = queries.permissions(actor)
    return PermissionsView(items=[PermissionView.model_validate(item) for item in held])


@me.put("/password", status_code=204, responses=problems(TooManyRequests))
async def change_password(wanted: NewPassword, actor: Actor, issuer: Issuing, origin: From) -> None:
    """Choose another password; all your sessions end, this one too.

    There is no `If-Match`: a password is never shown, so it has no ETag to name; the current
    password is what proves that you change what you know. Wrong ones count like failed sign-ins.
    """
    await commands.change_password(issuer, actor, wanted, origin)


@keys.get("/jwks.json", openapi_extra=PUBLIC)
async def get_signing_keys(request: Request) -> KeysView:
    """The public keys of access tokens; keep them for five minutes at most."""
    return KeysView(keys=await request.app.state.runtime.keys.documents())
