"""The operations on check-ins."""

from uuid import UUID

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.pagination import PageOf, Paging
from kernel.transactions import HotWrite, ReadOnly
from services.okr.checkins import commands, queries, schemas

router = new_router("check-ins")
ROUTERS = [router]


@router.post(
    "/v1/key-results/{key_result_id}/check-ins",
    status_code=201,
    responses=problems(NotFound, Forbidden, commands.TakesNoCheckIns),
)
async def record_check_in(
    key_result_id: UUID, new: schemas.NewCheckIn, actor: Actor, connection: HotWrite
) -> schemas.CheckInView:
    """Record how a key result stands: its value, and perhaps health, confidence and a note."""
    return await commands.record_check_in(connection, actor, key_result_id, new)


@router.get("/v1/key-results/{key_result_id}/check-ins", responses=problems(NotFound))
async def list_check_ins(
    key_result_id: UUID, actor: Actor, session: ReadOnly, page: Paging
) -> PageOf[schemas.CheckInView]:
    """The check-ins of a key result in the order of measurement, superseded ones included."""
    return await queries.check_in_page(session, actor, key_result_id, page)


@router.get("/v1/check-ins/{check_in_id}", responses=problems(NotFound))
async def get_check_in(check_in_id: UUID, actor: Actor, session: ReadOnly) -> schemas.CheckInView:
    """One check-in."""
    return await queries.check_in_view(session, actor, check_in_id)


@router.post(
    "/v1/check-ins/{check_in_id}/supersede",
    status_code=201,
    responses=problems(NotFound, Forbidden, commands.TakesNoCheckIns, commands.AlreadySuperseded),
)
async def supersede_check_in(
    check_in_id: UUID, new: schemas.NewCheckIn, actor: Actor, connection: HotWrite
) -> schemas.CheckInView:
    """Correct a check-in; the old one stays in history and counts no more."""
    return await commands.supersede_check_in(connection, actor, check_in_id, new)
