"""Idempotency-Key: the same key of the same person on the same path has one effect and one answer.

The answer is kept in the transaction of the effect, so that neither exists without the other. A
repetition is authorised again: the operation is rehearsed in a transaction that is rolled back, and
a refusal of it (401, 403, 404) stands above the kept answer. Answers of 4xx and 5xx are not kept.
"""

import hashlib
import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType

from kernel import clock, database, parameters
from kernel.auth import principal
from kernel.authorization import Principal
from kernel.bodies import strict_json
from kernel.errors import (
    BadRequest,
    Conflict,
    FieldError,
    Forbidden,
    NotFound,
    Problem,
    Unauthenticated,
    Unprocessable,
)

HEADER = "idempotency-key"
KEPT_FOR = timedelta(hours=24)
_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
_KEPT_HEADERS = ("content-type", "etag", "location")

IDEMPOTENCY_KEY = Table(
    "idempotency_key",
    MetaData(naming_convention=database.NAMING),
    Column("organization_id", UUIDType(as_uuid=True), primary_key=True),
    Column("person_id", UUIDType(as_uuid=True), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index(None, "created_at"),
)


class StrictRequest(Request):
    """A request whose JSON is read strictly: no NaN, no name twice, no deep nesting."""

    async def json(self) -> Any:
        value = strict_json(await self.body())
        if value is None:
            raise json.JSONDecodeError("null is no body; leave it out", "null", 0)
        return value


class RepeatedWithAnotherBody(Unprocessable):
    """This Idempotency-Key was used with another body; a new request needs a new key."""

    title = "The key was used for another request"


class StillRunning(Conflict):
    """A request with this Idempotency-Key is still running; repeat it in a moment."""

    title = "The same request is still running"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that carries a key."""

    organization_id: UUID
    person_id: UUID
    path: str
    key: str
    body_hash: bytes

    @property
    def place(self) -> tuple[UUID, UUID, str, str]:
        return (self.organization_id, self.person_id, self.path, self.key)

    @property
    def lock(self) -> int:
        return database.lock_key("\n".join(map(str, self.place)))


class Rehearsed(Exception):  # noqa: N818 - not an error: it ends a rehearsal and rolls it back
    """The repetition may have the kept answer; the application sends it after the rollback."""

    def __init__(self, kept: Response) -> None:
        self.kept = kept


class Operation(APIRoute):
    """A route of the public API: strict JSON and parameters, on POST perhaps an Idempotency-Key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        taken = parameters.names_taken(self.dependant)
        changes_as_somebody = self.methods != {"GET"} and not self.is_for_anybody

        async def handler(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            request.scope[parameters.TAKEN] = taken
            if changes_as_somebody:
                # Else whoever has no token could have megabytes taken in and parsed.
                await principal(request)
                # What is silently ignored looks as if it had been done; `{}` says nothing.
                if self.body_field is None and (await request.body()).strip() not in (b"", b"{}"):
                    raise Unprocessable.field("", "is none that is taken here: leave the body out")
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST" or self.shows_a_secret:
                return await handle(request)
            if not _KEY.match(key):
                words = "takes 1 to 255 printable ASCII characters"
                fault = FieldError(words, parameter="Idempotency-Key")
                raise BadRequest(f"Idempotency-Key {words}.", errors=(fault,))
            request.scope["idempotency"] = (key, await _body_hash(request))
            return await _once(handle, request)

        return handler

    @property
    def is_for_anybody(self) -> bool:
        """Operations that need no token."""
        return bool((self.openapi_extra or {}).get("x-cairn-public"))

    @property
    def shows_a_secret(self) -> bool:
        """Operations that show a secret once, and sessions, keep no answer."""
        return bool((self.openapi_extra or {}).get("x-cairn-secret"))


async def _body_hash(request: Request) -> bytes:
    body = await request.body()
    kind, _, boundary = request.headers.get("content-type", "").partition("boundary=")
    if kind.startswith("multipart/form-data") and boundary:
        # Clients draw a new boundary for every repetition of the same form.
        body = body.replace(boundary.strip('"').encode(), b"")
    return hashlib.sha256(body).digest()


async def _once(
    handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request
) -> Response:
    try:
        response = await handle(request)
    except Problem as problem:
        kept = request.scope.get("kept_answer")
        if kept is None or isinstance(problem, Unauthenticated | Forbidden | NotFound):
            raise
        # The rehearsal ended in a conflict with its own first effect: the kept answer stands.
        raise Rehearsed(kept) from problem
    kept = request.scope.get("kept_answer")
    if kept is not None:
        raise Rehearsed(kept)
    if response.status_code < 400 and (driver := request.scope.get("idempotency_driver")):
        await _keep(driver, request.scope["idempotency_attempt"], response)
    return response


async def begin(request: Request, actor: Principal, driver: asyncpg.Connection) -> None:
    """Called by a transaction whose request has a key: wait for a twin, then find the answer."""
    key, body_hash = request.scope["idempotency"]
    attempt = Attempt(actor.organization_id, actor.person_id, request.scope["path"], key, body_hash)
    try:
        await driver.execute("SELECT pg_advisory_xact_lock($1)", attempt.lock)
    except asyncpg.LockNotAvailableError as error:
        raise StillRunning from error
    row = await driver.fetchrow(
        "SELECT body_hash, status, headers::text AS headers, body FROM idempotency_key"
        " WHERE organization_id = $1 AND person_id = $2 AND path = $3 AND key = $4"
        " AND created_at > $5",
        *attempt.place,
        clock.now() - KEPT_FOR,
    )
    request.scope["idempotency_driver"] = driver
    request.scope["idempotency_attempt"] = attempt
    if row is None:
        return
    if row["body_hash"] != attempt.body_hash:
        raise RepeatedWithAnotherBody(
            errors=(FieldError("Use a new key for a new request.", parameter="Idempotency-Key"),)
        )
    headers = json.loads(row["headers"]) | {"Idempotency-Replayed": "true"}
    request.scope["kept_answer"] = Response(row["body"], row["status"], headers)


async def _keep(driver: asyncpg.Connection, attempt: Attempt, response: Response) -> None:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    await driver.execute(
        "INSERT INTO idempotency_key (organization_id, person_id, path, key, body_hash, status,"
        " headers, body, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9)"
        " ON CONFLICT (organization_id, person_id, path, key) DO UPDATE SET"
        " body_hash = EXCLUDED.body_hash, status = EXCLUDED.status, headers = EXCLUDED.headers,"
        " body = EXCLUDED.body, created_at = EXCLUDED.created_at",
        *attempt.place,
        attempt.body_hash,
        response.status_code,
        json.dumps(headers),
        bytes(response.body),
        clock.now(),
    )
    await _forget_some(driver)


async def _forget_some(driver: asyncpg.Connection) -> None:
    """Whoever keeps an answer clears away a few of this tenant's that are older than a day."""
    await driver.execute(
        "DELETE FROM idempotency_key WHERE (organization_id, person_id, path, key) IN ("
        " SELECT organization_id, person_id, path, key FROM idempotency_key"
        " WHERE created_at < $1 ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED)",
        clock.now() - KEPT_FOR,
    )
