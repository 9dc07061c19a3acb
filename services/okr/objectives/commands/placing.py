"""Where a goal belongs and who is in it: what a body names is looked up, or refused with 422."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import FieldError, Unprocessable
from services.okr.cycles import queries as cycles
from services.okr.cycles.commands import CycleIsClosed
from services.okr.cycles.models import Cycle
from services.okr.cycles.rules import CycleState, takes_objectives
from services.okr.directory import queries as directory
from services.okr.objectives import queries
from services.okr.objectives.commands.refusals import ObjectiveIsLocked, TakesNoEdits
from services.okr.objectives.models import Objective
from services.okr.objectives.rules import Level, ObjectiveState, accepts_edits


async def require_people(
    session: AsyncSession, field: str, person_ids: Iterable[UUID], *, is_list: bool = True
) -> None:
    """422 for each id that is no active person of the organization."""
    asked = list(person_ids)
    unknown = await directory.unknown_people(session, asked) if asked else set()
    if unknown:
        raise Unprocessable(
            errors=tuple(
                FieldError(
                    "is no active person of this organization",
                    f"/{field}/{position}" if is_list else f"/{field}",
                )
                for position, person_id in enumerate(asked)
                if person_id in unknown
            )
        )


async def unit_of(
    session: AsyncSession, level: Level, unit_id: UUID | None, owner_id: UUID
) -> UUID:
    """The unit that an objective belongs to by its level; 422 where another one is named."""
    if level is Level.UNIT:
        return await _named_unit(session, unit_id)
    if level is Level.COMPANY:
        own, whose = (await directory.root_unit(session)).id, "a company objective's is the root"
    else:
        owner = await directory.person(session, owner_id)
        assert owner is not None
        own, whose = owner.main_unit_id, "an individual objective's is its owner's main unit"
    if unit_id not in {None, own}:
        raise Unprocessable.field("/unit_id", f"must be left out: {whose}")
    return own


async def _named_unit(session: AsyncSession, unit_id: UUID | None) -> UUID:
    if unit_id is None:
        raise Unprocessable.field("/unit_id", "is needed for an objective of level unit")
    unit = await directory.unit(session, unit_id)
    if unit is None or unit.is_archived:
        raise Unprocessable.field("/unit_id", "is no unit of this organization, or is archived")
    return unit_id


async def cycle_to_join(session: AsyncSession, cycle_id: UUID) -> Cycle:
    """The cycle that a goal is put into, kept from closing until this transaction ends."""
    cycle = await cycles.cycle_to_join(session, cycle_id)
    if cycle is None:
        raise Unprocessable.field("/cycle_id", "is no cycle of this organization")
    return cycle


def require_open(cycle: Cycle) -> None:
    """409 for a closed cycle."""
    if not takes_objectives(CycleState(cycle.state)):
        raise CycleIsClosed


async def require_editable(session: AsyncSession, objective: Objective) -> None:
    """409 unless a locked objective may be edited now, by its own state and by its cycle's."""
    state = ObjectiveState(objective.state)
    if not accepts_edits(state):
        raise TakesNoEdits(
            f"The objective is {state.value}; only drafts and active ones are edited: withdraw "
            "what was handed in, reopen what was closed."
        )
    if state is ObjectiveState.ACTIVE:
        cycle = await queries.cycle_of(session, objective)
        if cycle.state == CycleState.REVIEW.value:
            raise ObjectiveIsLocked
