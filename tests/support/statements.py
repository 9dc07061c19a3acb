"""How many statements a request sends on the hot connection, its beginning and commit included."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest


@contextmanager
def hot_statements() -> Iterator[list[str]]:
    """The statements that are sent within the block, in order."""
    sent: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("execute", "fetch", "fetchrow", "fetchval"):
            patch.setattr(
                asyncpg.Connection, name, _noting(getattr(asyncpg.Connection, name), sent)
            )
        yield sent


def _noting(send: Any, sent: list[str]) -> Any:
    async def noted(connection: Any, query: str, *arguments: Any, **options: Any) -> Any:
        sent.append(query)
        return await send(connection, query, *arguments, **options)

    return noted
