"""Links of objectives below their parents: made, changed, cut; no goal below itself."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock
from kernel.authorization import Principal, require
from kernel.errors import FieldError, NotFound, Unprocessable
from kernel.preconditions import require_version
from services.okr.objectives import policy, queries
from services.okr.objectives.commands.placing import require_editable
from services.okr.objectives.commands.recording import record_change
from services.okr.objectives.commands.refusals import (
    LimitReached,
    LinkExists,
    ParentHasEnded,
    WouldMakeCycle,
)
from services.okr.objectives.models import AlignmentLink, Objective
from services.okr.objectives.rules import (
    HUNDRED,
    MAX_CHILDREN,
    MAX_DEPTH,
    Link,
    ObjectiveState,
)
from services.okr.objectives.schemas import LinkChanges, NewLink

_ENDED = {ObjectiveState.CLOSED.value, ObjectiveState.ARCHIVED.value}
_GIVING_A_SHARE = ("share", "link", "is_excluded")
"""What of a link decides whether its share counts, and how much of it."""


async def create_alignment(
    session: AsyncSession, actor: Principal, objective_id: UUID, new: NewLink
) -> Objective:
    """Link an objective below one more parent; the first link of all is its primary one."""
    await queries.lock_links(session)
    child = await queries.objective_to_change(session, actor, objective_id)
    parent, key_result_id = await parent_of(session, actor, new, pointer="/id")
    require(policy.may_align(actor, child, parent))
    await require_editable(session, child)
    link = await connect(
        session, child, parent, key_result_id, new, is_primary=primary_link(child) is None
    )
    await _settle(session, actor, child, "created", link)
    return child


async def update_alignment(
    session: AsyncSession,
    actor: Principal,
    objective_id: UUID,
    link_id: UUID,
    changes: LinkChanges,
    expected: int,
) -> Objective:
    """Change a link's kind or part; excluding a child is for who edits the parent."""
    child, link, parent = await _link_to_change(session, actor, objective_id, link_id)
    excludes = "is_excluded" in changes.model_fields_set
    edits = changes.model_fields_set - {"is_excluded"}
    if edits or not excludes:
        require(policy.may_align(actor, child, parent))
    if excludes:
        require(policy.may_edit(actor, parent))
    require_version(child, expected)
    if edits:
        await require_editable(session, child)
    await _apply(session, child, link, changes)
    await _settle(session, actor, child, "edited", link, fields=sorted(changes.model_fields_set))
    return child


async def _apply(
    session: AsyncSession, child: Objective, link: AlignmentLink, changes: LinkChanges
) -> None:
    asked, parent_id = changes.model_fields_set, link.parent_objective_id
    for name in asked:
        setattr(link, name, getattr(changes, name))
    if "is_excluded" in asked:
        others = [each for each in child.excluded_by_ids if each != parent_id]
        child.excluded_by_ids = [*others, parent_id] if changes.is_excluded else others
    giving = [name for name in _GIVING_A_SHARE if name in asked]
    if giving and link.link == Link.CONTRIBUTES.value and not link.is_excluded:
        pointer = f"/{giving[0]}"
        await require_share(session, parent_id, link.share, without=link.id, pointer=pointer)


async def delete_alignment(
    session: AsyncSession, actor: Principal, objective_id: UUID, link_id: UUID, expected: int
) -> None:
    """Cut a link; a primary one leaves the objective at the top of the tree."""
    child, link, parent = await _link_to_change(session, actor, objective_id, link_id)
    require(policy.may_align(actor, child, parent))
    require_version(child, expected)
    await require_editable(session, child)
    disconnect(child, link)
    await _settle(session, actor, child, "deleted", link)


async def parent_of(
    session: AsyncSession, actor: Principal, new: NewLink, *, pointer: str
) -> tuple[Objective, UUID | None]:
    """The parent objective that a body names, by itself or by a key result; 422 if not seen."""
    found = await queries.parent_goal(session, actor, new.kind, new.id)
    if found is None:
        raise Unprocessable.field(pointer, f"is no {new.kind.value} that you can see")
    return found


async def connect(
    session: AsyncSession,
    child: Objective,
    parent: Objective,
    key_result_id: UUID | None,
    new: NewLink,
    *,
    is_primary: bool,
    pointer: str = "",
    is_new: bool = False,
) -> AlignmentLink:
    """Add a link after all that can forbid it; the caller holds the lock of links.

    `is_new`: the child was made in this transaction, so that nothing is below it.
    """
    await require_share(session, parent.id, new.share, pointer=f"{pointer}/share")
    if parent.state in _ENDED:
        raise ParentHasEnded
    if any(
        (link.parent_objective_id, link.parent_key_result_id) == (parent.id, key_result_id)
        for link in child.links
    ):
        raise LinkExists
    above = await queries.ancestors(session, parent.id)
    if child.id in above:
        words = "lies below this objective: name another goal, or cut the link between them first"
        raise WouldMakeCycle(errors=(FieldError(words, pointer=f"{pointer}/id"),))
    below = 1 if is_new else await queries.height(session, child.id)
    if max(above.values()) + below > MAX_DEPTH:
        raise LimitReached(f"Goals hang at most {MAX_DEPTH} levels deep.")
    if await queries.count_children(session, parent.id) >= MAX_CHILDREN:
        raise LimitReached(f"A goal has at most {MAX_CHILDREN:,} children.")
    link = AlignmentLink(
        parent_objective_id=parent.id,
        parent_key_result_id=key_result_id,
        link=new.link.value,
        share=new.share,
        weight=new.weight,
        is_primary=is_primary,
        is_excluded=parent.id in child.excluded_by_ids,
    )
    child.links.append(link)
    follow_primary(child)
    return link


def disconnect(child: Objective, link: AlignmentLink) -> None:
    """Remove a link of a loaded child."""
    child.links.remove(link)
    follow_primary(child)


def primary_link(objective: Objective) -> AlignmentLink | None:
    """The link that decides where a loaded objective stands in the tree."""
    return next((link for link in objective.links if link.is_primary), None)


def follow_primary(objective: Objective) -> None:
    """Have an objective say where its primary link leads, once its links have changed."""
    primary = primary_link(objective)
    objective.parent_objective_id = primary.parent_objective_id if primary else None
    objective.parent_key_result_id = primary.parent_key_result_id if primary else None


async def require_share(
    session: AsyncSession,
    objective_id: UUID,
    share: Decimal | None,
    *,
    without: UUID | None = None,
    pointer: str = "/share",
) -> None:
    """422 where the shares that are held fast would pass 100 percent."""
    if share is None:
        return
    others = await queries.fixed_shares(session, objective_id, without)
    if others + share > HUNDRED:
        raise Unprocessable.field(
            pointer, f"the parent's fixed shares may sum up to 100 percent; {others} are taken"
        )


async def _link_to_change(
    session: AsyncSession, actor: Principal, objective_id: UUID, link_id: UUID
) -> tuple[Objective, AlignmentLink, Objective]:
    """A link between two objectives that the actor sees, the child locked."""
    child = await queries.objective_to_change(session, actor, objective_id)
    link = next((each for each in child.links if each.id == link_id), None)
    if link is None:
        raise NotFound
    return child, link, await queries.objective(session, actor, link.parent_objective_id)


async def _settle(
    session: AsyncSession,
    actor: Principal,
    child: Objective,
    done: str,
    link: AlignmentLink,
    **details: object,
) -> None:
    child.version += 1
    child.updated_at = clock.now()
    details |= {
        "link_id": link.id,
        "parent_objective_id": link.parent_objective_id,
        "link": Link(link.link).value,
    }
    await audit.record(session, actor, f"alignment.{done}", ("objective", child.id), **details)
    await record_change(session, actor, [child], also_stale=[link.parent_objective_id])
