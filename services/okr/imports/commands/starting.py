"""An import begins: its files are kept and its run is planned in one transaction."""

import unicodedata
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, jobs
from kernel.authorization import Principal, require
from kernel.errors import Unprocessable
from services.okr.imports import policy
from services.okr.imports.models import ImportFile, ImportRun
from services.okr.imports.schemas import ImportOrder

RUN = "import"
MOST_FILES = 20
_LONGEST_NAME = 200


async def start_import(
    session: AsyncSession,
    actor: Principal | None,
    order: ImportOrder,
    files: Sequence[tuple[str, bytes]],
) -> ImportRun:
    """Take files in and have them imported by a job; without an actor it is the operator's."""
    if not 1 <= len(files) <= MOST_FILES:
        raise Unprocessable.field("/file", f"must be 1 to {MOST_FILES} files")
    if actor is not None:
        require(policy.may_import(actor))
    run = ImportRun(
        format=order.format.value,
        is_dry_run=order.dry_run,
        on_error=order.on_error.value,
        creates_units=order.create_units,
        requested_by=None if actor is None else actor.person_id,
    )
    session.add(run)
    await session.flush()
    for position, (name, content) in enumerate(files):
        row = ImportFile(run_id=run.id, position=position, name=_plain(name), content=content)
        session.add(row)
    details = {"format": run.format, "dry_run": run.is_dry_run, "on_error": run.on_error}
    await audit.record(session, actor, "import.started", ("import", run.id), **details)
    await jobs.enqueue(session, RUN, {"run_id": str(run.id)})
    await session.flush()
    return run


def _plain(name: str) -> str:
    """The file's own name without folders and without what cannot be shown."""
    own = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(each for each in own if unicodedata.category(each)[0] != "C")
    return unicodedata.normalize("NFC", kept)[:_LONGEST_NAME] or "file"
