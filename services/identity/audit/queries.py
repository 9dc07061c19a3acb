"""What there is to know of the audit trail, and whether it is still what was recorded."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.authorization import Principal, require
from kernel.errors import FieldError, NotFound, Unprocessable
from kernel.pagination import Page, Paged, paginate
from services.identity.audit import policy
from services.identity.audit.models import AuditChain, RecordedEntry
from services.identity.audit.rules import FIRST_SEAL, Break, Entry, first_break
from services.identity.audit.schemas import AuditFilters

BATCH = 1_000
MOST_CHECKED = 50_000


@dataclass(frozen=True, slots=True)
class Check:
    """How far the chain was found in order, and where it breaks if it does."""

    sequence: int
    seal: bytes
    next_after: int | None
    first_break: Break | None


async def audit_events(
    session: AsyncSession, actor: Principal, filters: AuditFilters, page: Page
) -> Paged[RecordedEntry]:
    """Entries in the opposite order of their sealing, so that paging misses none that arrives."""
    _refuse_backwards(filters)
    require(policy.may_read(actor))
    statement = select(RecordedEntry)
    for column, wanted in (
        (RecordedEntry.actor_id, filters.actor_id),
        (RecordedEntry.action, filters.action),
        (RecordedEntry.subject_kind, filters.subject_kind),
        (RecordedEntry.subject_id, filters.subject_id),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if filters.at_or_after is not None:
        statement = statement.where(RecordedEntry.at >= filters.at_or_after)
    if filters.before is not None:
        statement = statement.where(RecordedEntry.at < filters.before)
    return await paginate(session, statement, page, by=(RecordedEntry.sequence,), descending=True)


def _refuse_backwards(filters: AuditFilters) -> None:
    """A span that ends before it begins would find nothing, as if nothing had been done."""
    at_or_after, before = filters.at_or_after, filters.before
    if at_or_after is not None and before is not None and before < at_or_after:
        raise Unprocessable(errors=(FieldError("must not lie before `from`", parameter="to"),))


async def audit_event(session: AsyncSession, actor: Principal, entry_id: UUID) -> RecordedEntry:
    """One entry."""
    require(policy.may_read(actor))
    found: RecordedEntry | None = await session.scalar(
        select(RecordedEntry).where(RecordedEntry.id == entry_id)
    )
    if found is None:
        raise NotFound
    return found


async def checked_chain(
    session: AsyncSession, actor: Principal, key: bytes, after: int, most: int = MOST_CHECKED
) -> Check:
    """`verify_chain` for somebody who may read the trail."""
    require(policy.may_read(actor))
    return await verify_chain(session, key, after, most)


async def verify_chain(
    session: AsyncSession, key: bytes, after: int = 0, most: int = MOST_CHECKED
) -> Check:
    """Recompute up to `most` seals after number `after` and name the first that does not hold."""
    chain = await session.scalar(select(AuditChain))
    end, end_seal = (chain.sequence, chain.seal) if chain else (0, FIRST_SEAL)
    sequence, seal = min(after, end), await _seal_at(session, min(after, end))
    while sequence < min(end, after + most):
        entries = await _entries_after(session, sequence, min(end, after + most))
        if found := first_break(key, sequence, seal, ((_covered(e), e.seal) for e in entries)):
            return Check(*_before(found, entries, sequence, seal), None, found)
        if not entries:
            return Check(sequence, seal, None, Break(sequence + 1, "The entry is missing."))
        sequence, seal = entries[-1].sequence, entries[-1].seal
    if sequence < end:
        return Check(sequence, seal, sequence, None)
    return Check(sequence, seal, None, await _break_at_the_end(session, end, seal, end_seal))


async def _break_at_the_end(
    session: AsyncSession, end: int, seal: bytes, end_seal: bytes
) -> Break | None:
    if seal != end_seal:
        return Break(end, "The last entry is not the one with which the chain ends.")
    beyond = await session.scalar(
        select(RecordedEntry.sequence).where(RecordedEntry.sequence > end).limit(1)
    )
    return None if beyond is None else Break(beyond, "The entry stands after the chain's end.")


def _before(
    found: Break, entries: list[RecordedEntry], sequence: int, seal: bytes
) -> tuple[int, bytes]:
    intact = [entry for entry in entries if entry.sequence < found.sequence]
    return (intact[-1].sequence, intact[-1].seal) if intact else (sequence, seal)


async def _seal_at(session: AsyncSession, sequence: int) -> bytes:
    found = await session.scalar(
        select(RecordedEntry.seal).where(RecordedEntry.sequence == sequence)
    )
    return FIRST_SEAL if found is None else found


async def _entries_after(session: AsyncSession, sequence: int, end: int) -> list[RecordedEntry]:
    found = await session.scalars(
        select(RecordedEntry)
        .where(RecordedEntry.sequence > sequence, RecordedEntry.sequence <= end)
        .order_by(RecordedEntry.sequence)
        .limit(BATCH)
    )
    return list(found)


def _covered(row: RecordedEntry) -> Entry:
    return Entry(
        row.organization_id,
        row.sequence,
        row.id,
        row.at,
        row.service,
        row.actor_kind,
        row.actor_id,
        row.action,
        row.subject_kind,
        row.subject_id,
        row.details,
        row.request_id,
    )
