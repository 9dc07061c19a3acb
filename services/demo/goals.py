"""Loads a demo company's cycles, goals and check-ins into okr, each at the day it tells of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database, replica
from kernel.authorization import Authority, Grant, Principal
from kernel.ids import uuid7
from kernel.scopes import Scope
from services.demo import reading
from services.demo.people import Company
from services.demo.reading import Demo, cycle_dates, cycle_name
from services.okr.alignment.commands import fold
from services.okr.checkins.commands import record_check_in
from services.okr.checkins.schemas import NewCheckIn
from services.okr.cycles import commands as cycles
from services.okr.cycles.schemas import NewCycle
from services.okr.directory import queries as directory
from services.okr.directory.models import DIRECTORY, DirectoryOrganization
from services.okr.objectives import commands as objectives
from services.okr.objectives.schemas import NewKeyResult, NewLink, NewObjective

# What whoever loads the demo may do beside what its people may: the same commands, any place.
_LOADING = ("objectives.manage", "progress.update", "cycles.manage")


@dataclass(slots=True)
class Goals:
    """Where a loaded company's goal keys lead."""

    cycles: dict[str, UUID] = field(default_factory=dict)
    objectives: dict[str, UUID] = field(default_factory=dict)
    key_results: dict[str, UUID] = field(default_factory=dict)
    milestones: dict[tuple[str, str], UUID] = field(default_factory=dict)
    key_result_owners: dict[str, str] = field(default_factory=dict)


async def load_goals(engine: AsyncEngine, demo: Demo, company: Company) -> Goals:
    """Cycles, objectives with key results, their check-ins and a fold, all or nothing of them."""
    goals = Goals()
    actors = {role: await _acting_as(engine, company, role) for role in company.people}
    async with database.transaction(engine, company.organization_id) as session:
        # Held, so that whoever asks for it finds it in the session.
        organization = await directory.organization(session)
        loading = _Loading(session, company, organization, actors, goals)
        await loading.cycles(demo)
        for objective in demo.objectives:
            await loading.objective(objective)
        connection = await database.driver_connection(session)
        for day, key_result, check_in in _by_day(demo):
            with clock.frozen_at(day):
                await loading.check_in(connection, key_result, check_in)
        await fold(connection, company.organization_id)
    return goals


async def _acting_as(engine: AsyncEngine, company: Company, role: str) -> Principal:
    """A demo person with their own authority, and what loading needs beside it."""
    person_id, organization_id = company.people[role], company.organization_id
    held = await replica.load_authority(engine, DIRECTORY, organization_id, person_id)
    if held is None:
        raise LookupError(f"okr does not know {role} yet")
    root_id = next(iter(company.units.values()))
    loading = tuple(
        Grant(capability, Scope.ORG, uuid7(), root_id, None, frozenset()) for capability in _LOADING
    )
    authority = Authority(
        held.epoch, held.is_active, held.grants + loading, held.reports, held.facts
    )
    return Principal(person_id, organization_id, "", role, "demo", authority)


@dataclass(frozen=True, slots=True)
class _Loading:
    """One company's goals on their way into one transaction."""

    session: AsyncSession
    company: Company
    organization: DirectoryOrganization
    actors: dict[str, Principal]
    goals: Goals

    async def cycles(self, demo: Demo) -> None:
        actor = self.actors["administrator"]
        first_month = demo.organization.fiscal_year_start_month
        today = clock.now().date()
        for cycle in demo.cycles:
            starts_on, ends_on = cycle_dates(cycle.kind, today, first_month)
            new = NewCycle.model_validate(
                {
                    "name": cycle_name(cycle.kind, today, first_month),
                    "starts_on": starts_on,
                    "ends_on": ends_on,
                    "parent_id": self.goals.cycles[cycle.parent] if cycle.parent else None,
                    "cadence": cycle.cadence,
                }
            )
            made = await cycles.create_cycle(self.session, actor, new)
            await cycles.activate_cycle(self.session, actor, made.id)
            self.goals.cycles[cycle.key] = made.id

    async def objective(self, objective: reading.Objective) -> None:
        goals, actor = self.goals, self.actors[objective.owner]
        new = _new_objective(self.company, goals, objective)
        measures = [_new_key_result(each, self.company) for each in objective.key_results]
        with clock.frozen_at(_began(objective)):
            made = await objectives.start_objective(
                self.session, actor, new, measures, is_active=objective.state == "active"
            )
        goals.objectives[objective.key] = made.id
        for told, key_result in zip(objective.key_results, made.key_results, strict=True):
            goals.key_results[told.key] = key_result.id
            goals.key_result_owners[told.key] = told.owner or objective.owner
            for step, milestone in zip(told.milestones, key_result.milestones, strict=True):
                goals.milestones[told.key, step.key] = milestone.id

    async def check_in(
        self,
        connection: asyncpg.Connection,
        key_result: reading.KeyResult,
        check_in: reading.CheckIn,
    ) -> None:
        goals = self.goals
        done = [goals.milestones[key_result.key, step] for step in check_in.milestones_done]
        new = NewCheckIn.model_validate(
            {
                "value": check_in.value,
                "milestones_done": done if key_result.metric_kind == "milestone" else None,
                "health": check_in.health,
                "confidence": check_in.confidence,
                "note": check_in.note or None,
            }
        )
        actor = self.actors[goals.key_result_owners[key_result.key]]
        await record_check_in(connection, actor, goals.key_results[key_result.key], new)


def _began(objective: reading.Objective) -> datetime:
    """A day before its first check-in; what nobody has measured yet began a week ago."""
    days = [each.days_ago for key_result in objective.key_results for each in key_result.check_ins]
    return clock.now() - timedelta(days=max(days, default=6) + 1)


def _new_objective(company: Company, goals: Goals, objective: reading.Objective) -> NewObjective:
    parent = objective.parent
    link = None
    if parent is not None:
        below_key_result = parent.key_result is not None
        known = goals.key_results if below_key_result else goals.objectives
        link = NewLink.model_validate(
            {
                "kind": "key_result" if below_key_result else "objective",
                "id": known[parent.key_result or parent.objective or ""],
                "link": parent.link,
                "weight": parent.weight,
                "share": parent.share,
            }
        )
    return NewObjective.model_validate(
        {
            "title": objective.title,
            "description": objective.description or None,
            "level": objective.level,
            "unit_id": company.units[objective.unit] if objective.unit else None,
            "owner_id": company.people[objective.owner],
            "contributor_ids": [company.people[role] for role in objective.contributors],
            "cycle_id": goals.cycles[objective.cycle],
            "parent": link,
            "commitment": objective.commitment,
            "visibility": objective.visibility,
            "viewer_ids": [company.people[role] for role in objective.viewers],
            "rollup": {"health": objective.health_rule},
            "tags": list(objective.tags),
        }
    )


def _new_key_result(key_result: reading.KeyResult, company: Company) -> NewKeyResult:
    return NewKeyResult.model_validate(
        {
            "title": key_result.title,
            "metric_kind": key_result.metric_kind,
            "unit_of_measure": key_result.unit_of_measure,
            "currency": key_result.currency,
            "unit_label": key_result.unit_label,
            "start_value": key_result.start_value,
            "target_value": key_result.target_value,
            "weight": key_result.weight,
            "owner_id": company.people[key_result.owner] if key_result.owner else None,
            "milestones": [
                {"title": step.title, "weight": step.weight} for step in key_result.milestones
            ],
        }
    )


def _by_day(demo: Demo) -> Iterator[tuple[datetime, reading.KeyResult, reading.CheckIn]]:
    """Every check-in with its day, in the order in which they were recorded."""
    at = clock.now()
    told = [
        (at - timedelta(days=check_in.days_ago), key_result, check_in)
        for objective in demo.objectives
        for key_result in objective.key_results
        for check_in in key_result.check_ins
    ]
    yield from sorted(told, key=lambda each: each[0])
