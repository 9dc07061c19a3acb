"""The one change the audit trail knows: an entry is added at the end of its chain."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.audit import AuditEntry
from services.identity.audit.models import AuditChain, RecordedEntry
from services.identity.audit.rules import Entry, seal_of


async def keep_entry(session: AsyncSession, key: bytes, service: str, told: AuditEntry) -> None:
    """Seal an entry and add it; one that is there already is left as it is."""
    chain = await _locked_chain(session)
    if await session.scalar(select(RecordedEntry.id).where(RecordedEntry.id == told.id)):
        return
    covered: dict[str, Any] = told.model_dump() | {
        "sequence": chain.sequence + 1,
        "service": service,
        "details": told.details,
    }
    organization_id = session.info["organization_id"]
    seal = seal_of(key, chain.seal, Entry(organization_id=organization_id, **covered))
    session.add(RecordedEntry(**covered, seal=seal))
    chain.sequence, chain.seal = covered["sequence"], seal


async def _locked_chain(session: AsyncSession) -> AuditChain:
    """The end of the organization's chain, made with its first entry, locked until the commit."""
    await session.execute(
        insert(AuditChain)
        .values(organization_id=session.info["organization_id"])
        .on_conflict_do_nothing()
    )
    found = await session.scalars(select(AuditChain).with_for_update())
    return found.one()
