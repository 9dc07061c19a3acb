"""What is read of import runs, and of what earlier imports brought."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from kernel.pagination import Page, Paged, paginate
from services.okr.directory.models import DirectoryUnit
from services.okr.imports.models import ImportFile, ImportRun


async def run(session: AsyncSession, run_id: UUID) -> ImportRun:
    """One run; 404 for an unknown one."""
    found = await session.scalar(select(ImportRun).where(ImportRun.id == run_id))
    if found is None:
        raise NotFound
    return found


async def runs(session: AsyncSession, page: Page) -> Paged[ImportRun]:
    """The organization's runs, oldest first."""
    return await paginate(session, select(ImportRun), page, by=(ImportRun.created_at, ImportRun.id))


async def files_of(session: AsyncSession, run_id: UUID) -> list[tuple[str, bytes]]:
    """The uploaded files in the order in which they were named."""
    rows = await session.execute(
        select(ImportFile.name, ImportFile.content)
        .where(ImportFile.run_id == run_id)
        .order_by(ImportFile.position)
    )
    return list(rows.tuples())


async def units_by_name(session: AsyncSession) -> dict[str, UUID]:
    """Case-folded name → unit; of several the oldest, archived ones left out."""
    rows = await session.execute(
        select(DirectoryUnit.title, DirectoryUnit.id)
        .where(~DirectoryUnit.is_archived)
        .order_by(DirectoryUnit.id.desc())
    )
    return {title.casefold(): unit_id for title, unit_id in rows.tuples()}
