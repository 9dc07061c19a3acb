"""The operations on imports, for people with `imports.run` and for the operator."""

from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from pydantic import Field, WithJsonSchema

from kernel.app import UPLOAD_LIMIT, new_router
from kernel.auth import Actor
from kernel.calls import InternalCaller
from kernel.errors import FieldError, Forbidden, NotFound, TooLarge, Unprocessable, problems
from kernel.pagination import PageOf, Paging
from kernel.transactions import ReadOnly, Transaction
from services.okr.imports import commands, queries, schemas

router = new_router("imports", "/v1/imports")
internal_router = APIRouter(prefix="/imports", tags=["imports"])
ROUTERS = [router]
INTERNAL_ROUTERS = [internal_router]

Slug = Annotated[str, Query(min_length=1, max_length=60)]
# `format` is how OpenAPI 3.0 says it, and what generators of clients still look for.
_CONTENT = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
Files = Annotated[
    list[Annotated[UploadFile, WithJsonSchema(_CONTENT)]],
    Field(default_factory=list, max_length=commands.MOST_FILES),
]


class ImportForm(schemas.ImportOrder):
    """What is to be imported and how; the files as `file`, several of them as often as needed."""

    file: Files
    files: Files
    """The same under the name that some clients give to a list."""

    async def contents(self) -> list[tuple[str, bytes]]:
        """The files' names and contents, in their order."""
        uploads = [*self.file, *self.files]
        return [(upload.filename or "", await upload.read()) for upload in uploads]


class OperatorsForm(ImportForm):
    """The same for an organization that is named by its slug."""

    organization: str = Field(min_length=1, max_length=60)


async def _refuse_repeated_texts(request: Request) -> None:
    """Of a text that is sent twice the last would win; files of one name are a list."""
    fields = (await request.form()).multi_items()
    times = Counter(name for name, value in fields if isinstance(value, str))
    words = "is sent more than once: send it once"
    if faults := [FieldError(words, pointer=f"/{name}") for name in times if times[name] > 1]:
        raise Unprocessable(errors=tuple(faults))


Sent = Annotated[ImportForm, Form(media_type="multipart/form-data")]
SentByOperator = Annotated[OperatorsForm, Form(media_type="multipart/form-data")]


@router.post(
    "",
    status_code=202,
    response_model=schemas.ImportStarted,
    responses=problems(Forbidden, TooLarge),
    max_body_size=UPLOAD_LIMIT,
    dependencies=[Depends(_refuse_repeated_texts)],
)
async def create_import(order: Sent, actor: Actor, session: Transaction) -> schemas.ImportStarted:
    """Import files of up to 25 MiB and 50,000 rows; a job does it, and tells how far it is.

    All rows are imported or none, unless `on_error` says to skip what cannot be. A dry run reports
    what would happen and changes nothing.
    """
    run = await commands.start_import(session, actor, order, await order.contents())
    return schemas.ImportStarted.model_validate(run)


@router.get("", responses=problems(Forbidden))
async def list_imports(
    actor: Actor, session: ReadOnly, page: Paging
) -> PageOf[schemas.ImportSummary]:
    """The organization's imports, oldest first; each has its full report at its own address."""
    found = await queries.runs_for(session, actor, page)
    return PageOf(
        items=[schemas.ImportSummary.of(run) for run in found.items],
        next_cursor=found.next_cursor,
    )


@router.get("/{import_id}", responses=problems(Forbidden, NotFound))
async def get_import(import_id: UUID, actor: Actor, session: ReadOnly) -> schemas.ImportView:
    """How far an import is and what came of it, with every refused row and its reason."""
    return schemas.ImportView.of(await queries.run_for(session, actor, import_id))


@internal_router.post("", status_code=202, response_model=schemas.ImportStarted)
async def begin_import(
    order: SentByOperator, caller: InternalCaller, request: Request
) -> schemas.ImportStarted:
    """Import files as the operator."""
    commands.require_operator(caller)
    runtime = request.app.state.runtime
    run = await commands.begin_for_operator(
        runtime, order.organization, order, await order.contents()
    )
    return schemas.ImportStarted.model_validate(run)


@internal_router.get("/{import_id}")
async def watch_import(
    import_id: UUID, organization: Slug, caller: InternalCaller, request: Request
) -> schemas.ImportView:
    """How far an import is and what came of it."""
    commands.require_operator(caller)
    runtime = request.app.state.runtime
    run = await commands.watch_for_operator(runtime, organization, import_id)
    return schemas.ImportView.of(run)
