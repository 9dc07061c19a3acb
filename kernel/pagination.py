"""Keyset pages: `{items, next_cursor}`, with cursors that only their owner can use.

A cursor is sealed (AES-GCM) together with the caller, the operation and its filters, so that it
cannot be read, altered, or carried over to another person, list or filter.
"""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, Query, Request
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.auth import Actor
from kernel.errors import BadRequest, FieldError
from kernel.fields import Output

MOST = 200
Item = TypeVar("Item")


class PageOf(Output, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Paged(Generic[Item]):
    """A page as queries answer it."""

    items: Sequence[Item]
    next_cursor: str | None


class Seal:
    """Seals small JSON values with the service's key; what was tampered with does not open."""

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"cursor:" + key.encode()).digest())

    def sealed(self, value: Any, context: bytes) -> str:
        nonce = os.urandom(12)
        data = self._cipher.encrypt(nonce, json.dumps(value).encode(), context)
        return base64.urlsafe_b64encode(nonce + data).decode().rstrip("=")

    def opened(self, text: str, context: bytes) -> Any:
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return json.loads(self._cipher.decrypt(raw[:12], raw[12:], context))
        except (InvalidTag, ValueError) as error:
            words = "is not one that this list gave you for these filters: start again without it"
            raise BadRequest(
                f"The cursor {words}.", errors=(FieldError(words, parameter="cursor"),)
            ) from error


@dataclass(frozen=True, slots=True)
class Page:
    """What a client asks of a list: how many, and after which key."""

    limit: int
    after: list[Any] | None
    seal: Callable[[list[Any]], str]


def page(
    request: Request,
    actor: Actor,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Items a page, at most 200.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=2_000, description="`next_cursor` of the page before.")
    ] = None,
) -> Page:
    """The page that was asked for; its cursor belongs to this caller, list and filters."""
    seal: Seal = request.app.state.runtime.seal
    filters = sorted(
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in {"cursor", "limit"}
    )
    owner = [str(actor.organization_id), str(actor.person_id), request.scope["path"], filters]
    context = json.dumps(owner).encode()
    after = None if cursor is None else [_plain(part) for part in seal.opened(cursor, context)]
    return Page(limit, after, lambda key: seal.sealed([_packed(part) for part in key], context))


Paging = Annotated[Page, Depends(page)]


def _packed(part: Any) -> Any:
    match part:
        case UUID():
            return {"id": str(part)}
        case datetime():
            return {"at": part.isoformat()}
        case _:
            return part


def _plain(part: Any) -> Any:
    match part:
        case {"id": text}:
            return UUID(text)
        case {"at": text}:
            return datetime.fromisoformat(text)
        case _:
            return part


async def paginate(
    session: AsyncSession,
    statement: Select[Any],
    page: Page,
    *,
    by: Sequence[Any],
    descending: bool = False,
) -> Paged[Any]:
    """One page of `statement` in the order of `by`, all up or all down, whose last is unique.

    Columns that may be null must be passed as `coalesce(…)`: keyset paging loses null keys. The
    attribute names of `by` are read back from the last row, so they must be columns of its entity.
    """
    key, order = tuple_(*by), [column.desc() if descending else column.asc() for column in by]
    if page.after is not None:
        last = tuple_(*page.after)
        statement = statement.where(key < last if descending else key > last)
    rows = (await session.scalars(statement.order_by(*order).limit(page.limit + 1))).all()
    items = rows[: page.limit]
    more = len(rows) > page.limit
    end = [getattr(items[-1], column.key) for column in by] if more else []
    return Paged(items, page.seal(end) if more else None)
