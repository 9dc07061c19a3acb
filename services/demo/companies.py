"""Loads the demo companies that are missing into running services, in seconds."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import database
from kernel.outbox import OUTBOX
from services.demo.goals import load_goals
from services.demo.people import Company, load_people, loaded_people
from services.demo.presence import has_goals
from services.demo.reading import Demo, read_demos
from services.demo.talks import load_talks
from services.identity.catalogue.queries import catalogue
from services.identity.people.commands import passwords
from services.progress import Watch

_PATIENCE = 120.0
# The services deliver what the loading leaves in their outboxes, and need a core.
_AT_A_TIME = 4

Say = Callable[[str], None]


async def load_companies(
    engines: Mapping[str, AsyncEngine], password: str, say: Say, watch: Watch
) -> None:
    """Load every company that is not there yet; `engines`: each service's own database.

    `watch` is told how many of the missing ones are in. The services may still be starting. Returns
    when okr and feedback know everybody and every goal.
    """
    missing = await _missing(engines)
    say(f"Loading {len(missing)} demo companies.")
    companies = await _with_people(engines["identity"], missing, password)
    ids = [company.organization_id for _, company in companies]
    await _delivered(engines["identity"], ids, "identity.")
    # First those that wait for their goals to be known before they can talk about them.
    companies.sort(key=lambda each: not each[0].has_talks)
    limit = asyncio.Semaphore(_AT_A_TIME)
    loads = [_load_company(engines, demo, company, limit) for demo, company in companies]
    for done, load in enumerate(asyncio.as_completed(loads), 1):
        await load
        watch(done, len(missing))
    await _delivered(engines["okr"], ids, "okr.")


async def _missing(engines: Mapping[str, AsyncEngine]) -> list[tuple[Demo, Company | None]]:
    """The companies without goals; of some an earlier start may have loaded the people."""
    found = [
        (demo, await loaded_people(engines["identity"], demo)) for demo in read_demos(catalogue())
    ]
    return [
        (demo, company)
        for demo, company in found
        if company is None or not await has_goals(engines["okr"], company.organization_id)
    ]


async def _with_people(
    engine: AsyncEngine, found: list[tuple[Demo, Company | None]], password: str
) -> list[tuple[Demo, Company]]:
    """Each company with its people: those of an earlier start, or loaded now."""
    if any(company is None for _, company in found):
        password_hash = await passwords.hashed(password)
    return [
        (demo, company or await load_people(engine, demo, password_hash)) for demo, company in found
    ]


async def _load_company(
    engines: Mapping[str, AsyncEngine], demo: Demo, company: Company, limit: asyncio.Semaphore
) -> None:
    async with limit:
        goals = await load_goals(engines["okr"], demo, company)
    if demo.has_talks:
        await _delivered(engines["okr"], [company.organization_id], "okr.")
        async with limit:
            await load_talks(engines["feedback"], demo, company, goals)


async def _delivered(engine: AsyncEngine, organization_ids: list[UUID], topics: str) -> None:
    """Wait until the peers have taken what was told of these organizations."""
    waiting: Any = (
        select(func.count())
        .select_from(OUTBOX)
        .where(
            OUTBOX.c.organization_id.in_(organization_ids),
            cast(OUTBOX.c.topic, Text).startswith(topics),
        )
    )
    async with asyncio.timeout(_PATIENCE):
        while True:
            async with database.transaction(engine, read_only=True) as session:
                if not await session.scalar(waiting):
                    return
            await asyncio.sleep(0.1)
