"""The rules of addresses, passwords and places, as tables."""

import asyncio
from uuid import UUID

import pytest

from kernel.errors import TooManyRequests
from services.identity.people import rules
from services.identity.people.commands.passwords import Turns, hashed, is_correct, made

A, B, C = (UUID(int=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("okr_champion@workboard.example", True),
        ("a.b+c@localhost", True),
        ("ü@bücher.example", True),
        ("nobody", False),
        ("two@at@signs", False),
        ("@no.local", False),
        ("no.host@", False),
        ("white space@x.y", False),
        ("x" * 65 + "@x.y", False),
        ("dot@ends.", False),
    ],
)
def test_an_address_has_a_local_part_and_a_host(text, is_one):
    assert rules.is_address(text) is is_one


@pytest.mark.parametrize(
    ("password", "is_good"),
    [
        ("twelve chars", True),
        ("eleven char", False),
        ("x" * 11 + "y", False),
        ("ab c" * 3, True),
        ("long " * 300, False),
        ("Somebody New", False),
        ("correct horse battery staple", True),
    ],
)
def test_a_password_is_long_and_is_not_what_everybody_knows(password, is_good):
    assert (rules.fault_of_password(password, ["somebody new"]) is None) is is_good


@pytest.mark.parametrize(
    ("held", "main", "units", "after"),
    [
        ((A, [A]), None, None, (A, [A])),
        ((A, [A, B]), C, None, (C, [C, B])),
        ((A, [A, B]), B, None, (B, [B])),
        ((A, [A, B]), None, [B, A], (A, [B, A])),
        ((A, [A, B]), None, [B, C], (B, [B, C])),
        ((A, [A, B]), C, [B], (C, [C, B])),
    ],
)
def test_the_main_unit_is_always_among_the_units(held, main, units, after):
    assert rules.placed(held, main, units) == after


async def test_a_hash_fits_its_password_only():
    kept = await hashed("a password for tests")

    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await is_correct("a password for tests", kept)
    assert not await is_correct("another password", kept)
    assert not await is_correct("a password for tests", None)
    assert not await is_correct("a password for tests", "not a hash at all")


def test_made_passwords_are_good_and_never_the_same():
    assert rules.fault_of_password(made(), []) is None
    assert made() != made()


async def test_who_would_wait_behind_too_many_is_refused():
    turns = Turns(at_a_time=1, most_waiting=1)
    release = asyncio.Event()

    async def hold():
        async with turns.turn():
            await release.wait()

    waiting = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await hold()
    release.set()
    await asyncio.gather(*waiting)
    await hold()
