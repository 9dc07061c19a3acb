"""The smallest service there is: one tenant table and a few operations, to try the kernel on."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from kernel import audit
from kernel.app import Service, new_router
from kernel.auth import Actor, AuthorityLoader
from kernel.authorization import Authority, require
from kernel.database import COLUMN_TYPES, Tenanted, new_metadata
from kernel.errors import Conflict, Forbidden, NotFound, problems
from kernel.fields import Input, Number, Output, Shown, Title
from kernel.idempotency import IDEMPOTENCY_KEY
from kernel.ids import uuid7
from kernel.jobs import JOB
from kernel.outbox import OUTBOX
from kernel.pagination import PageOf, Paging, paginate
from kernel.preconditions import IfMatch, require_version, tagged
from kernel.transactions import HotRead, HotWrite, ReadOnly, Transaction

OWNER = "cairn_toy_owner"


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Thing(Tenanted, Base, kw_only=True):
    __tablename__ = "thing"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)


for table in (OUTBOX, JOB, IDEMPOTENCY_KEY):
    table.to_metadata(Base.metadata)
metadata = Base.metadata


class NameTaken(Conflict):
    """Another thing has this name."""

    title = "The name is taken"


class NewThing(Input):
    name: Title
    amount: Number = Decimal(0)


class ThingView(Output):
    id: UUID
    name: str
    version: int


class Amount(Output):
    amount: Shown


router = new_router("things", "/v1/things")
known: dict[UUID, Authority] = {}
"""Who may call the toy, and with which authority."""


@router.post("", status_code=201, responses=problems(NameTaken, Forbidden))
async def create_thing(new: NewThing, actor: Actor, session: Transaction) -> ThingView:
    """Make a thing; names are unique."""
    require(actor.holds("things.make"), "You may not make things.")
    if await session.scalar(select(Thing.id).where(Thing.name == new.name)):
        raise NameTaken
    session.add(thing := Thing(name=new.name))
    await session.flush()
    await audit.record(session, actor, "thing.created", ("thing", thing.id))
    return ThingView.model_validate(thing)


@router.get("")
async def list_things(
    actor: Actor, session: ReadOnly, page: Paging, name: str | None = None
) -> PageOf[ThingView]:
    """The things, or those of one name."""
    found = select(Thing) if name is None else select(Thing).where(Thing.name == name)
    paged = await paginate(session, found, page, by=(Thing.name, Thing.id))
    return PageOf[ThingView].model_validate(paged)


@router.get("/newest-first")
async def list_newest(actor: Actor, session: ReadOnly, page: Paging) -> PageOf[ThingView]:
    """The things under another path."""
    paged = await paginate(session, select(Thing), page, by=(Thing.name, Thing.id))
    return PageOf[ThingView].model_validate(paged)


@router.get("/count")
async def count_things(actor: Actor, connection: HotRead) -> Amount:
    """How many there are, by the hot gear."""
    return Amount(amount=await connection.fetchval("SELECT count(*)::numeric FROM thing"))


@router.post("/search")
async def search_things(sought: NewThing, actor: Actor, session: ReadOnly) -> Amount:
    """How many have this name: a question with a body, which changes nothing."""
    found = select(func.count()).select_from(Thing).where(Thing.name == sought.name)
    return Amount(amount=Decimal(await session.scalar(found) or 0))


@router.post("/hot", status_code=201)
async def create_hot(new: NewThing, actor: Actor, connection: HotWrite) -> ThingView:
    """Make a thing by the hot gear."""
    thing_id = uuid7()
    await connection.execute(
        "INSERT INTO thing (organization_id, id, name, version) VALUES ($1, $2, $3, 1)",
        actor.organization_id,
        thing_id,
        new.name,
    )
    return ThingView(id=thing_id, name=new.name, version=1)


@router.post("/hot-failure", status_code=201)
async def fail_hot(new: NewThing, actor: Actor, connection: HotWrite) -> ThingView:
    """Write, then fail."""
    await connection.execute(
        "INSERT INTO thing (organization_id, id, name, version) VALUES ($1, $2, $3, 1)",
        actor.organization_id,
        uuid7(),
        new.name,
    )
    raise NameTaken


@router.patch("/{thing_id}", responses=problems(NotFound))
async def rename_thing(
    thing_id: UUID,
    new: NewThing,
    actor: Actor,
    session: Transaction,
    version: IfMatch,
    response: Response,
) -> ThingView:
    """Rename a thing."""
    thing = await session.scalar(select(Thing).where(Thing.id == thing_id).with_for_update())
    if thing is None:
        raise NotFound
    require_version(thing, version)
    thing.name, thing.version = new.name, thing.version + 1
    return tagged(response, ThingView.model_validate(thing))


@router.get("/{thing_id}", responses=problems(NotFound))
async def get_thing(
    thing_id: UUID, actor: Actor, session: ReadOnly, response: Response
) -> ThingView:
    """One thing."""
    thing = await session.scalar(select(Thing).where(Thing.id == thing_id))
    if thing is None:
        raise NotFound
    return tagged(response, ThingView.model_validate(thing))


@router.post("/fault", status_code=201)
async def fault(actor: Actor, session: Transaction) -> ThingView:
    """A fault of the program."""
    await session.execute(select(func.now()))
    raise ZeroDivisionError


@router.post("/broken-commit", status_code=201)
async def broken_commit(new: NewThing, actor: Actor, session: Transaction) -> ThingView:
    """An answer whose commit fails: a deferred constraint looks only then."""
    session.add(thing := Thing(name=new.name))
    await session.flush()
    return ThingView.model_validate(thing)


async def take(session: Any, payload: dict[str, Any]) -> None:
    """Take an event by making a thing of its name."""
    session.add(Thing(name=payload["name"]))


def authority(_: AsyncEngine) -> AuthorityLoader:
    async def load(__: UUID, person_id: UUID) -> Authority | None:
        return known.get(person_id)

    return load


def service(**changes: Any) -> Service:
    parts: dict[str, Any] = {
        "name": "okr",
        "title": "Toy",
        "routers": [router],
        "internal_routers": [],
        "subscribers": {"toy.named.v1": take},
        "authority": authority,
    }
    return Service(**(parts | changes))
