"""The one change the audit trail knows: entries are added at the end of their chain."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit import AuditEntry
from kernel.authorization import one_of
from services.identity.audit.models import AuditChain, RecordedEntry
from services.identity.audit.rules import Entry, seal_of


async def keep_entries(
    session: AsyncSession, key: bytes, service: str, told: Sequence[AuditEntry]
) -> None:
    """Seal entries and add them; those that are there already are left as they are."""
    chain = await _locked_chain(session)
    ids = [entry.id for entry in told]
    known = set(
        await session.scalars(select(RecordedEntry.id).where(one_of(RecordedEntry.id, ids)))
    )
    tenant, at = {"organization_id": session.info["organization_id"]}, clock.now()
    rows: list[dict[str, Any]] = []
    for entry in told:
        if entry.id in known:
            continue
        known.add(entry.id)
        covered = entry.model_dump() | {"sequence": chain.sequence + 1, "service": service} | tenant
        sealed = Entry(**covered)
        seal = seal_of(key, chain.seal, sealed)
        rows.append(covered | {"seal": seal, "received_at": at})
        chain.sequence, chain.seal = sealed.sequence, seal
    if rows:
        # The table and not the class: the unit of work would look at every row once more.
        await session.execute(insert(RecordedEntry.__table__), rows)  # type: ignore[arg-type]


async def _locked_chain(session: AsyncSession) -> AuditChain:
    """The end of the organization's chain, made with its first entry, locked until the commit."""
    chain = select(AuditChain).with_for_update()
    if (found := await session.scalar(chain)) is not None:
        return found
    await session.execute(
        insert(AuditChain)
        .values(organization_id=session.info["organization_id"])
        .on_conflict_do_nothing()
    )
    return (await session.scalars(chain)).one()
