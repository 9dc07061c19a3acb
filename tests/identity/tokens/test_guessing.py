"""Guessing passwords: what is looked at, what an answer gives away, and who is never kept out."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from kernel import clock, database
from services.identity.people.commands import passwords
from services.identity.tokens import rules
from services.identity.tokens.commands import forget_old_counters, throttling
from services.identity.tokens.models import SignInCounter
from tests.identity.tokens.conftest import EMAIL
from tests.support.identity import PASSWORD

WRONG = "a wrong password for tests"
PAIR = rules.MOST_FAILURES["account_at_address"]
ACCOUNT = rules.MOST_FAILURES["account"]
ADDRESS = rules.MOST_FAILURES["address"]


@pytest.fixture
def looked_at(monkeypatch) -> list[str | None]:
    """The hashes that passwords were compared with; each comparison takes as long as a real one."""
    seen: list[str | None] = []
    compare = passwords.is_correct

    async def counted(password: str, password_hash: str | None) -> bool:
        seen.append(password_hash)
        return await compare(password, password_hash)

    monkeypatch.setattr(passwords, "is_correct", counted)
    return seen


@pytest.fixture
def quick(monkeypatch) -> list[str | None]:
    """The same without the work of hashing, for tests of hundreds."""
    seen: list[str | None] = []

    async def counted(password: str, password_hash: str | None) -> bool:
        seen.append(password_hash)
        await asyncio.sleep(0.005)
        return password == PASSWORD and password_hash is not None

    monkeypatch.setattr(passwords, "is_correct", counted)
    return seen


async def test_whoever_may_not_in_hears_the_same(visitor, company):
    person_id = await company.person(password=PASSWORD, is_active=False)
    without_password = await company.person()
    async with company.session() as session:
        from services.identity.people import queries

        inactive = (await queries.person(session, person_id)).email
        passwordless = (await queries.person(session, without_password)).email

    answers = [
        await visitor.sign_in(password=WRONG),
        await visitor.sign_in("nobody@company.example"),
        await visitor.sign_in(organization="no-such-organization"),
        await visitor.sign_in(inactive),
        await visitor.sign_in(passwordless),
        await visitor.sign_in("not an address"),
        await visitor.sign_in(organization="Not A Slug"),
    ]

    told = {
        (answer.status_code, answer.text, tuple(sorted(answer.headers.items())))
        for answer in answers
    }
    assert len(told) == 1
    assert answers[0].status_code == 401


async def test_what_is_read_of_somebody_unknown_is_short(visitor):
    """The longest credentials that there can be, as escapes of twelve bytes, are read."""
    longest = {"email": "\U0001f600" * 254, "password": "\U0001f600" * 1024}
    assert (await visitor.sign_in(**longest)).status_code == 401

    for path in ("/v1/sessions", "/v1/sessions/refresh"):
        answer = await visitor.client.post(path, json={"refresh_token": "x" * 20_000})
        assert answer.status_code == 413


@asynccontextmanager
async def statements_of(app):
    seen: list[str] = []

    def note(_, __, statement, *___):
        seen.append(statement.split(" WHERE ")[0][:60])

    engine = app.state.runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_whoever_may_not_in_costs_the_same(visitor, live, looked_at):
    """The same number of statements and one comparison of passwords, whatever was wrong."""
    work = []
    for arguments in (
        {"password": WRONG},
        {"email": "nobody@company.example"},
        {"organization": "no-such-organization"},
    ):
        async with statements_of(live) as seen:
            await visitor.sign_in(**arguments)
        work.append((len(seen), len(looked_at)))
        looked_at.clear()

    assert work == [work[0]] * 3
    assert work[0][1] == 1


async def test_after_too_many_failures_one_waits_a_quarter_of_an_hour_at_most(visitor, quick):
    for _ in range(PAIR):
        assert (await visitor.sign_in(password=WRONG)).status_code == 401

    refused = await visitor.sign_in()

    assert refused.status_code == 429
    wait = int(refused.headers["retry-after"])
    assert 0 < wait <= 900
    assert len(quick) == PAIR
    with clock.frozen_at(clock.now() + timedelta(seconds=wait)):
        assert (await visitor.sign_in()).status_code == 201


async def test_unknown_accounts_are_counted_like_known_ones(visitor, quick):
    answers = [
        (await visitor.sign_in(organization="no-such-organization")).status_code
        for _ in range(PAIR + 1)
    ]

    assert answers == [401] * PAIR + [429]


async def test_attempts_that_were_not_looked_at_do_not_lengthen_the_wait(visitor, quick):
    began_at = clock.now()
    with clock.frozen_at(began_at):
        for _ in range(PAIR):
            await visitor.sign_in(password=WRONG)
    with clock.frozen_at(began_at + timedelta(minutes=14)):
        assert (await visitor.sign_in(password=WRONG)).status_code == 429

    with clock.frozen_at(began_at + timedelta(minutes=15)):
        assert (await visitor.sign_in()).status_code == 201


async def test_successes_are_not_counted(visitor, quick):
    answers = {(await visitor.sign_in()).status_code for _ in range(3 * PAIR)}

    assert answers == {201}


async def test_a_success_forgives_the_failures_of_the_account(visitor, quick):
    for _ in range(3):
        for _ in range(PAIR - 1):
            await visitor.sign_in(password=WRONG)
        assert (await visitor.sign_in()).status_code == 201


async def test_of_two_hundred_parallel_guesses_ten_are_looked_at(visitor, quick):
    answers = await asyncio.gather(*(visitor.sign_in(password=WRONG) for _ in range(200)))

    assert len(quick) <= PAIR
    assert {answer.status_code for answer in answers} <= {401, 429}
    assert sum(answer.status_code == 401 for answer in answers) == len(quick)


async def test_a_check_before_the_count_would_let_parallel_guesses_through(
    visitor, quick, monkeypatch
):
    """The negative control: without a place taken before the look, all of them are looked at."""

    async def take_nothing(session, counters):
        rows = await session.scalars(
            select(SignInCounter.failures).where(
                SignInCounter.key.in_([counter.key for counter in counters])
            )
        )
        if any(failures >= PAIR for failures in rows):
            raise throttling._Full(clock.now())
        return counters

    monkeypatch.setattr(throttling, "_take", take_nothing)

    await asyncio.gather(*(visitor.sign_in(password=WRONG) for _ in range(40)))

    assert len(quick) > PAIR


async def test_parallel_sign_ins_with_the_right_password_all_pass(visitor):
    answers = await asyncio.gather(*(visitor.sign_in() for _ in range(20)))

    assert {answer.status_code for answer in answers} == {201}


async def test_guesses_from_many_addresses_are_limited_for_an_account(visitor, quick):
    answers = []
    for number in range(50):
        address = f"{visitor.address}.{number}"
        answers.append((await visitor.sign_in(password=WRONG, address=address)).status_code)

    assert answers == [401] * ACCOUNT + [429] * (50 - ACCOUNT)


async def test_the_addresses_of_one_customer_are_one(visitor, quick):
    """Of IPv6 everybody has a /64: without it a guess would have an address of its own."""
    network = visitor.address.removesuffix("1")

    answers = [
        await visitor.sign_in(f"p{number}@company.example", WRONG, address=f"{network}{number:x}")
        for number in range(ADDRESS + 5)
    ]

    assert [answer.status_code for answer in answers] == [401] * ADDRESS + [429] * 5


async def test_guesses_from_elsewhere_never_keep_the_owner_out(visitor, quick):
    """Where somebody has signed in before, only failures from there count."""
    await visitor.signed_in()
    for number in range(ACCOUNT + 5):
        await visitor.sign_in(password=WRONG, address=f"{visitor.address}.{number}")

    assert (await visitor.sign_in()).status_code == 201


async def test_one_guess_at_many_accounts_is_limited_for_an_address(visitor, quick):
    answers = [
        (await visitor.sign_in(f"p{number}@company.example", WRONG)).status_code
        for number in range(ADDRESS + 20)
    ]

    assert answers == [401] * ADDRESS + [429] * 20
    # Who comes from elsewhere is not concerned.
    elsewhere = await visitor.sign_in(address=f"{visitor.address}.elsewhere")
    assert elsewhere.status_code == 201


async def test_a_success_does_not_forgive_an_address(visitor, quick):
    """Otherwise one account of one's own would let one guess at all others without end."""
    for number in range(ADDRESS - 1):
        await visitor.sign_in(f"p{number}@company.example", WRONG)
    await visitor.signed_in()
    await visitor.sign_in("another@company.example", WRONG)

    assert (await visitor.sign_in()).status_code == 429


async def test_a_client_does_not_choose_its_address(visitor, quick):
    """Only the last address is the gateway's own word."""
    answers = []
    for number in range(PAIR + 1):
        address = f"198.51.100.{number}, {visitor.address}"
        answers.append((await visitor.sign_in(password=WRONG, address=address)).status_code)

    assert answers[-1] == 429


async def test_an_attempt_whose_process_died_is_not_pending_for_ever(visitor, live, quick):
    counters = rules.counters_of(
        rules.derived_key(live.state.runtime.settings.sealing_key.get_secret_value(), "sign-in"),
        visitor.company.slug,
        EMAIL,
        visitor.address,
    )
    for _ in range(PAIR):
        await throttling._taken_places(live.state.runtime.engine, counters)

    with clock.frozen_at(clock.now() + rules.PENDING_FORGOTTEN):
        assert (await visitor.sign_in()).status_code == 201


async def test_when_hashing_is_busy_nothing_is_counted(visitor, monkeypatch):
    from kernel.errors import TooManyRequests

    async def busy(password: str, password_hash: str | None) -> bool:
        raise TooManyRequests

    with monkeypatch.context() as patched:
        patched.setattr(passwords, "is_correct", busy)
        answers = {(await visitor.sign_in()).status_code for _ in range(PAIR + 1)}

    assert answers == {429}
    assert (await visitor.sign_in()).status_code == 201


async def test_with_a_token_the_password_is_guessed_no_faster_than_without(visitor, quick):
    token = (await visitor.signed_in())["access_token"]
    looked_at_before = len(quick)

    answers = [await visitor.choose(token, WRONG) for _ in range(PAIR + 5)]

    assert [answer.status_code for answer in answers] == [422] * PAIR + [429] * 5
    assert len(quick) - looked_at_before == PAIR
    assert (await visitor.choose(token, PASSWORD)).status_code == 429, "nor by the right one then"
    assert (await visitor.sign_in(password=WRONG)).status_code == 429, "both ways count together"


async def test_of_many_parallel_guesses_with_a_token_ten_are_looked_at(visitor, quick):
    token = (await visitor.signed_in())["access_token"]
    looked_at_before = len(quick)

    answers = await asyncio.gather(*(visitor.choose(token, WRONG) for _ in range(60)))

    assert {answer.status_code for answer in answers} <= {422, 429}
    assert len(quick) - looked_at_before <= PAIR


async def test_a_guess_with_a_token_is_in_the_trail(visitor, company):
    token = (await visitor.signed_in())["access_token"]

    await visitor.choose(token, WRONG)

    entries = [entry for entry in await company.told("audit") if "password" in entry["action"]]
    assert [entry["action"] for entry in entries] == ["person.password_refused"]
    assert entries[0]["actor_id"] == str(company.administrator_id)


async def test_refused_sign_ins_are_in_the_trail_and_name_nobody_unknown(visitor, company):
    await visitor.sign_in(password=WRONG)
    await visitor.sign_in("nobody@company.example")

    entries = [e for e in await company.told("audit") if e["action"] == "session.refused"]

    assert [entry["subject_kind"] for entry in entries] == ["person", "organization"]
    assert {entry["actor_kind"] for entry in entries} == {"anonymous"}
    assert "nobody@" not in str(entries)


async def test_counters_keep_no_address_and_are_forgotten(visitor, live):
    engine = live.state.runtime.engine
    await visitor.sign_in(password=WRONG)
    async with database.transaction(engine) as session:
        before = set(await session.scalars(select(SignInCounter.key)))

    with clock.frozen_at(clock.now() + timedelta(days=2)):
        await forget_old_counters(engine)

    assert all(len(key) == 32 for key in before)
    async with database.transaction(engine) as session:
        rows = list(await session.scalars(select(SignInCounter)))
    assert all(row.succeeded_at is not None for row in rows)
