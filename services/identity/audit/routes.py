"""Operations on the audit trail: reading it, and having it checked."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.fields import Instant
from kernel.pagination import Paged, PageOf, Paging
from kernel.transactions import ReadOnly
from services.identity.audit import queries
from services.identity.audit.models import RecordedEntry
from services.identity.audit.rules import chain_key
from services.identity.audit.schemas import (
    Action,
    AuditEventView,
    AuditFilters,
    ChainBreakView,
    ChainView,
    Word,
)

router = new_router("audit", "/v1/audit-events")
ROUTERS = (router,)


def _filters(
    actor_id: UUID | None = None,
    action: Annotated[Action | None, Query(examples=["session.opened"])] = None,
    subject_kind: Annotated[Word | None, Query(examples=["person"])] = None,
    subject_id: UUID | None = None,
    at_or_after: Annotated[Instant | None, Query(alias="from")] = None,
    before: Annotated[Instant | None, Query(alias="to")] = None,
) -> AuditFilters:
    return AuditFilters(
        actor_id=actor_id,
        action=action,
        subject_kind=subject_kind,
        subject_id=subject_id,
        at_or_after=at_or_after,
        before=before,
    )


def _chain_key(request: Request) -> bytes:
    return chain_key(request.app.state.runtime.settings.sealing_key.get_secret_value())


@router.get("", response_model=PageOf[AuditEventView], responses=problems(Forbidden))
async def list_audit_events(
    actor: Actor,
    session: ReadOnly,
    page: Paging,
    filters: Annotated[AuditFilters, Depends(_filters)],
) -> Paged[RecordedEntry]:
    """What was done in your organization, the newest first: `from` is included, `to` is not."""
    return await queries.audit_events(session, actor, filters, page)


@router.get("/verification", responses=problems(Forbidden))
async def verify_audit_events(
    actor: Actor,
    session: ReadOnly,
    key: Annotated[bytes, Depends(_chain_key)],
    after: Annotated[int, Query(ge=0, le=2**53, description="Begin after this number.")] = 0,
) -> ChainView:
    """Recompute the seals of up to 50,000 entries and name the first that does not hold."""
    check = await queries.checked_chain(session, actor, key, after)
    return ChainView(
        is_intact=check.first_break is None,
        sequence=check.sequence,
        seal=check.seal.hex(),
        next_after=check.next_after,
        first_break=ChainBreakView.model_validate(check.first_break) if check.first_break else None,
    )


@router.get(
    "/{audit_event_id}", response_model=AuditEventView, responses=problems(Forbidden, NotFound)
)
async def get_audit_event(audit_event_id: UUID, actor: Actor, session: ReadOnly) -> RecordedEntry:
    """One entry of the audit trail."""
    return await queries.audit_event(session, actor, audit_event_id)
