"""Objectives with key results, milestones and links."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kernel.clock import now
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.okr.base import Base


class Objective(Tenanted, Base, kw_only=True):
    """A qualitative aim of the company, a unit or a person within a cycle.

    `progress`, `computed_progress`, `health` and `folded_at` are written by the fold alone.
    """

    __tablename__ = "objective"
    __table_args__ = (
        tenant_foreign_key("cycle_id", "cycle"),
        UniqueConstraint("organization_id", "source_id"),
        Index(None, "organization_id", "created_at", "id"),
        Index(None, "organization_id", "cycle_id", "unit_id", "created_at", "id"),
        Index(None, "organization_id", "owner_id"),
        Index(None, "contributor_ids", postgresql_using="gin"),
        Index(
            "ix_objective_top",
            "organization_id",
            "cycle_id",
            postgresql_where=text("parent_objective_id IS NULL"),
        ),
        Index(
            "ix_objective_below",
            "organization_id",
            "parent_objective_id",
            postgresql_where=text("parent_objective_id IS NOT NULL"),
        ),
        Index(
            "ix_objective_apart",
            "organization_id",
            "cycle_id",
            postgresql_where=text("is_apart"),
        ),
        Index(
            "ix_objective_hidden",
            "organization_id",
            "cycle_id",
            postgresql_where=text("visibility = 'private' OR state NOT IN ('active', 'closed')"),
        ),
        Index(
            "ix_objective_in_danger",
            "organization_id",
            "cycle_id",
            "progress",
            "id",
            postgresql_where=text("state = 'active' AND health IN ('at_risk', 'off_track')"),
        ),
        Index(
            "ix_objective_due",
            "organization_id",
            "cycle_id",
            "check_in_due_at",
            "id",
            postgresql_where=text("check_in_due_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    title: Mapped[str]
    description: Mapped[str | None] = mapped_column(default=None)
    level: Mapped[str]
    unit_id: Mapped[UUID]
    """The root unit for company objectives; the owner's main unit for individual ones."""
    owner_id: Mapped[UUID | None]
    contributor_ids: Mapped[list[UUID]] = mapped_column(default_factory=list)
    cycle_id: Mapped[UUID]
    project_id: Mapped[UUID | None] = mapped_column(default=None)
    commitment: Mapped[str]
    visibility: Mapped[str]
    viewer_ids: Mapped[list[UUID]] = mapped_column(default_factory=list)
    tags: Mapped[list[str]] = mapped_column(default_factory=list)
    pillar_id: Mapped[UUID | None] = mapped_column(default=None)
    rollup_rule: Mapped[str] = mapped_column(default="weights")
    rollup_sources: Mapped[str] = mapped_column(default="both")
    rollup_health: Mapped[str] = mapped_column(default="pace")
    stated_health: Mapped[str | None] = mapped_column(default=None)
    """Set by hand where `rollup_health` is manual."""
    override_value: Mapped[Decimal | None] = mapped_column(default=None)
    override_mode: Mapped[str | None] = mapped_column(default=None)
    override_reason: Mapped[str | None] = mapped_column(default=None)
    override_computed: Mapped[Decimal | None] = mapped_column(default=None)
    """What was computed when a `once` override was set; the next other value ends it."""

    state: Mapped[str] = mapped_column(default="draft")
    progress: Mapped[Decimal | None] = mapped_column(default=None)
    computed_progress: Mapped[Decimal | None] = mapped_column(default=None)
    health: Mapped[str] = mapped_column(default="not_started")
    confidence: Mapped[Decimal | None] = mapped_column(default=None)
    score: Mapped[Decimal | None] = mapped_column(default=None)
    outcome: Mapped[str | None] = mapped_column(default=None)
    closing_note: Mapped[str | None] = mapped_column(default=None)
    state_reason: Mapped[str | None] = mapped_column(default=None)
    """Why it was returned or reopened, in the words of who did it."""
    folded_at: Mapped[datetime | None] = mapped_column(default=None)
    parent_objective_id: Mapped[UUID | None] = mapped_column(default=None)
    parent_key_result_id: Mapped[UUID | None] = mapped_column(default=None)
    """Where the primary link leads, said once more: trees find and count by it what hangs below."""
    excluded_by_ids: Mapped[list[UUID]] = mapped_column(default_factory=list)
    """Parents whose editors exclude it: a link that is cut and made anew does not end that."""
    is_apart: Mapped[bool] = mapped_column(default=False)
    """Whether its primary parent is perhaps not shown above it: in another cycle, private, a draft
    or archived. The fold keeps it, so that these tops of goal trees are found by an index, too."""
    check_in_due_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the first of its key results waits for a check-in, while it is active; by the fold."""
    # What the counters hold of this objective, so that a fold takes exactly that out again.
    counted_in_cycle_id: Mapped[UUID | None] = mapped_column(default=None)
    counted_in_unit_id: Mapped[UUID | None] = mapped_column(default=None)
    counted_health: Mapped[str | None] = mapped_column(default=None)
    counted_progress: Mapped[Decimal | None] = mapped_column(default=None)

    source_id: Mapped[str | None] = mapped_column(default=None)
    source_owner: Mapped[str | None] = mapped_column(default=None)
    source_unit: Mapped[str | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=now)
    activated_at: Mapped[datetime | None] = mapped_column(default=None)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    key_results: Mapped[list["KeyResult"]] = relationship(
        lazy="raise",
        default_factory=list,
        back_populates="objective",
        order_by="KeyResult.position, KeyResult.id",
    )
    links: Mapped[list["AlignmentLink"]] = relationship(
        lazy="raise",
        default_factory=list,
        foreign_keys="[AlignmentLink.organization_id, AlignmentLink.objective_id]",
        order_by="AlignmentLink.created_at, AlignmentLink.id",
        cascade="all, delete-orphan",
    )


class KeyResult(Tenanted, Base, kw_only=True):
    """A measured outcome of one objective; its past is its check-ins."""

    __tablename__ = "key_result"
    __table_args__ = (
        tenant_foreign_key("objective_id", "objective"),
        UniqueConstraint("organization_id", "source_id"),
        Index(None, "organization_id", "objective_id", "position", "id"),
        Index(None, "organization_id", "owner_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    objective_id: Mapped[UUID] = mapped_column(init=False)
    title: Mapped[str]
    metric_kind: Mapped[str]
    unit_of_measure: Mapped[str]
    currency: Mapped[str | None] = mapped_column(default=None)
    unit_label: Mapped[str | None] = mapped_column(default=None)
    start_value: Mapped[Decimal | None] = mapped_column(default=None)
    target_value: Mapped[Decimal | None] = mapped_column(default=None)
    lower_limit: Mapped[Decimal | None] = mapped_column(default=None)
    upper_limit: Mapped[Decimal | None] = mapped_column(default=None)
    reducer: Mapped[str] = mapped_column(default="last")
    weight: Mapped[Decimal] = mapped_column(default=Decimal(1))
    share: Mapped[Decimal | None] = mapped_column(default=None)
    owner_id: Mapped[UUID | None]
    project_id: Mapped[UUID | None] = mapped_column(default=None)
    indicator: Mapped[str | None] = mapped_column(default=None)
    cadence: Mapped[str | None] = mapped_column(default=None)
    """None: the cycle's."""
    due_on: Mapped[date | None] = mapped_column(default=None)
    position: Mapped[int] = mapped_column(default=0)

    current_value: Mapped[Decimal | None] = mapped_column(default=None)
    progress: Mapped[Decimal] = mapped_column(default=Decimal(0))
    """Clamped to [0, 1]."""
    progress_unclamped: Mapped[Decimal] = mapped_column(default=Decimal(0))
    health: Mapped[str] = mapped_column(default="not_started")
    is_health_stated: Mapped[bool] = mapped_column(default=False)
    confidence: Mapped[Decimal | None] = mapped_column(default=None)
    last_check_in_id: Mapped[UUID | None] = mapped_column(default=None)
    last_check_in_at: Mapped[datetime | None] = mapped_column(default=None)
    """The instant for which the last check-in was measured."""
    check_in_due_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the next check-in is due by its cadence; None where there is no rhythm."""
    is_archived: Mapped[bool] = mapped_column(default=False)
    score: Mapped[Decimal | None] = mapped_column(default=None)
    outcome: Mapped[str | None] = mapped_column(default=None)

    source_id: Mapped[str | None] = mapped_column(default=None)
    source_owner: Mapped[str | None] = mapped_column(default=None)
    source_unit: Mapped[str | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=now)
    objective: Mapped[Objective] = relationship(
        lazy="raise", back_populates="key_results", default=None
    )
    milestones: Mapped[list["Milestone"]] = relationship(
        lazy="raise",
        default_factory=list,
        order_by="Milestone.position, Milestone.id",
        cascade="all, delete-orphan",
    )


class Milestone(Tenanted, Base, kw_only=True):
    """A weighted step of a `milestone` key result."""

    __tablename__ = "milestone"
    __table_args__ = (
        tenant_foreign_key("key_result_id", "key_result"),
        Index(None, "organization_id", "key_result_id", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    key_result_id: Mapped[UUID] = mapped_column(init=False)
    title: Mapped[str]
    weight: Mapped[Decimal] = mapped_column(default=Decimal(1))
    due_on: Mapped[date | None] = mapped_column(default=None)
    position: Mapped[int] = mapped_column(default=0)
    is_done: Mapped[bool] = mapped_column(default=False)
    """As the last check-in says."""


class AlignmentLink(Tenanted, Base, kw_only=True):
    """An objective below a parent objective, perhaps below one of its key results."""

    __tablename__ = "alignment_link"
    __table_args__ = (
        tenant_foreign_key("objective_id", "objective"),
        tenant_foreign_key("parent_objective_id", "objective"),
        tenant_foreign_key("parent_key_result_id", "key_result"),
        UniqueConstraint(
            "organization_id",
            "objective_id",
            "parent_objective_id",
            "parent_key_result_id",
            name="uq_alignment_link_parent",
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "organization_id", "parent_objective_id"),
        Index(
            "uq_alignment_link_primary",
            "organization_id",
            "objective_id",
            unique=True,
            postgresql_where=text("is_primary"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    objective_id: Mapped[UUID] = mapped_column(init=False)
    parent_objective_id: Mapped[UUID]
    parent_key_result_id: Mapped[UUID | None]
    """Kept for show: a child below a key result counts as a child of the key result's objective."""
    link: Mapped[str]
    weight: Mapped[Decimal] = mapped_column(default=Decimal(1))
    share: Mapped[Decimal | None] = mapped_column(default=None)
    is_primary: Mapped[bool]
    is_excluded: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
