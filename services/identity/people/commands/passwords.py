"""Passwords: hashed and checked in threads, a bounded number at a time."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from kernel.errors import TooManyRequests, Unprocessable
from services.identity.people import rules

MOST_WAITING = 20
# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
_ARGON = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))
# Checked where nobody has the address, so that an answer takes as long as for somebody.
_NOBODY = _ARGON.hash(secrets.token_urlsafe())


class Turns:
    """As many hashes at a time as there are cores; who would wait behind twenty others is refused.

    Hashes take 19 MiB and some 20 ms of a core each: without a bound a burst of sign-ins would
    take the memory, and every other request's time.
    """

    def __init__(self, at_a_time: int, most_waiting: int) -> None:
        self._free = asyncio.Semaphore(at_a_time)
        self._most_waiting = most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a core; 429 when too many are waiting."""
        if self._waiting >= self._most_waiting:
            raise TooManyRequests("Too many passwords are being checked; try again in a second.")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


TURNS = Turns(os.cpu_count() or 1, MOST_WAITING)


async def hashed(password: str) -> str:
    """The Argon2id hash in PHC form; call it before the transaction's first statement."""
    async with TURNS.turn():
        return await asyncio.to_thread(_ARGON.hash, password)


async def is_correct(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; without a hash it takes as long and is not."""
    async with TURNS.turn():
        return await asyncio.to_thread(_verified, password, password_hash)


def _verified(password: str, password_hash: str | None) -> bool:
    try:
        matches = _ARGON.verify(password, password_hash or _NOBODY)
    except UnknownHashError:
        return False
    return matches and password_hash is not None


def made() -> str:
    """A password that nobody guesses: 24 characters, 144 bits."""
    return secrets.token_urlsafe(18)


def require_good(password: SecretStr, pointer: str, known_words: Iterable[str]) -> str:
    """The password in clear, or 422 with what is wrong with it."""
    clear = password.get_secret_value()
    if (fault := rules.fault_of_password(clear, known_words)) is not None:
        raise Unprocessable.field(pointer, f"The password {fault}.")
    return clear
