"""What the rows of a goal change about it; decided from what is stored, before anything is locked.

An empty cell says nothing: what is stored stays. What has been archived here stays as it is, and
so does what was made private: an import acts for nobody who sees it, so that it neither writes
there nor tells by its numbers what is written there.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.okr.checkins.models import CheckIn
from services.okr.imports.commands.works import Place, Work
from services.okr.imports.rules import (
    STATED_BY_SOURCE,
    ImportedGoal,
    ImportedOutcome,
    Statement,
    final_day,
    final_statement,
    key_result_columns,
    noon_of,
    objective_columns,
    parent_objective,
)
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.rules import Level, ObjectiveState, OverrideMode, Visibility

REVISION = "\x1f"
"""Between a check-in's source id and the number of its correction; no cell can hold it."""
Fate = Literal["created", "updated", "unchanged"]


class NewLink(NamedTuple):
    """The primary link that an objective gets, and what becomes of the links it has."""

    parent_id: UUID
    key_result_id: UUID | None
    weight: Decimal
    promoted: AlignmentLink | None
    removed: AlignmentLink | None


class NewCheckIn(NamedTuple):
    """A check-in to write, perhaps the correction of one that is there."""

    source_id: str
    statement: Statement
    measured_on: Any
    corrects: CheckIn | None


@dataclass(slots=True)
class KeyResultDecision:
    """What becomes of a key result; without changes and check-ins it stays as it is."""

    source_id: str
    row: ImportedGoal | None
    stored: KeyResult | None
    columns: dict[str, Any] = field(default_factory=dict)
    check_ins: list[NewCheckIn] = field(default_factory=list)
    entries: list[CheckIn] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        return bool(self.columns or self.check_ins)


@dataclass(slots=True)
class ObjectiveDecision:
    """What becomes of an objective and of its key results."""

    work: Work
    stored: Objective | None
    columns: dict[str, Any] = field(default_factory=dict)
    link: NewLink | None = None
    link_weight: tuple[AlignmentLink, Decimal] | None = None
    key_results: list[KeyResultDecision] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    stays: bool = False
    """Whatever the rows say."""

    @property
    def changes(self) -> bool:
        return bool(self.columns or self.link or self.link_weight)

    @property
    def touches(self) -> bool:
        return self.changes or any(each.changes for each in self.key_results)


def decide_objective(place: Place, work: Work, stored: Objective | None) -> ObjectiveDecision:
    """What the objective's own row and outcome change; its key results are decided apart."""
    decision = ObjectiveDecision(work, stored)
    outcome = place.rows.outcomes.get(work.source_id)
    if stored is not None and _stays(stored):
        decision.stays = True
        decision.fates += ["unchanged"] * ((work.row is not None) + (outcome is not None))
        return decision
    if work.row is not None:
        by_row = _differing(stored, _objective_columns(place, work.row))
        decision.columns |= by_row
        if work.row.parent_source_id is not None:
            _decide_link(place, work.row, decision)
        is_changed = bool(by_row or decision.link or decision.link_weight)
        decision.fates.append(_fate(stored, is_changed=is_changed))
    if outcome is not None:
        score = decision.columns.get("score", stored.score if stored else None)
        by_outcome = _differing(stored, _outcome_columns(outcome, score))
        decision.columns |= by_outcome
        decision.fates.append(_fate(stored, is_changed=bool(by_outcome)))
    return decision


def _stays(stored: Objective) -> bool:
    is_private = stored.visibility == Visibility.PRIVATE.value
    return is_private or stored.state == ObjectiveState.ARCHIVED.value


def _objective_columns(place: Place, row: ImportedGoal) -> dict[str, Any]:
    columns = objective_columns(row) | {"cycle_id": place.cycles[row.cycle].id}
    if row.level is Level.COMPANY:
        columns["unit_id"] = place.root_id
    elif row.unit is not None:
        columns["unit_id"] = place.units[row.unit.casefold()]
    if row.score is not None:
        columns |= _override(row.score)
    return columns


def _outcome_columns(outcome: ImportedOutcome, score: Decimal | None) -> dict[str, Any]:
    columns = _ending(outcome)
    if outcome.progress is not None and score is None:
        columns |= _override(outcome.progress)
    return columns


def _override(progress: Decimal) -> dict[str, Any]:
    """A progress that the source states is shown until somebody resumes the computed one."""
    return {
        "override_value": progress,
        "override_mode": OverrideMode.UNTIL_RESUMED.value,
        "override_reason": STATED_BY_SOURCE,
        "override_computed": None,
    }


def _differing(stored: Any, columns: dict[str, Any]) -> dict[str, Any]:
    if stored is None:
        return columns
    return {name: value for name, value in columns.items() if getattr(stored, name) != value}


def _fate(stored: Any, *, is_changed: bool) -> Fate:
    if stored is None:
        return "created"
    return "updated" if is_changed else "unchanged"


def _decide_link(place: Place, row: ImportedGoal, decision: ObjectiveDecision) -> None:
    owner = parent_objective(place.plan, place.known, row)
    assert owner is not None and row.parent_source_id is not None  # noqa: PT018 - one thought
    parent_id = place.id_of(owner)
    key_result_id = place.id_of(row.parent_source_id) if owner != row.parent_source_id else None
    links = [] if decision.stored is None else decision.stored.links
    primary = next((link for link in links if link.is_primary), None)
    same = next(
        (
            link
            for link in links
            if (link.parent_objective_id, link.parent_key_result_id) == (parent_id, key_result_id)
        ),
        None,
    )
    if same is not None and row.weight is not None and same.weight != row.weight:
        decision.link_weight = (same, row.weight)
    if same is None or same is not primary:
        weight = Decimal(1) if row.weight is None else row.weight
        decision.link = NewLink(parent_id, key_result_id, weight, same, primary)


def decide_key_result(
    place: Place,
    source_id: str,
    row: ImportedGoal | None,
    stored: KeyResult | None,
    check_ins: list[CheckIn],
    ends_on: Any,
    *,
    stays: bool,
) -> KeyResultDecision:
    """What a key result's row, outcome and check-ins change; `check_ins` are all that it has."""
    decision = KeyResultDecision(source_id, row, stored)
    outcome = place.rows.outcomes.get(source_id)
    rows = place.rows.check_ins.get(source_id, [])
    if stays or (stored is not None and stored.is_archived):
        number = (row is not None) + (outcome is not None) + len(rows)
        decision.fates += ["unchanged"] * number
        return decision
    history = _History(place.prefix, check_ins)
    for check_in in rows:
        statement = Statement(check_in.value, check_in.score, check_in.note)
        fate = history.compare(check_in.source_id, statement, check_in.checked_in_on)
        decision.fates.append(fate)
    by_row = _differing(stored, {} if row is None else key_result_columns(row))
    by_outcome = _differing(stored, {} if outcome is None else _ending(outcome))
    decision.columns = by_row | by_outcome
    final = _final(place, source_id, row, stored)
    is_other_final = (
        final is not None
        and history.compare(f"{source_id}@final", final, final_day(ends_on, rows, place.today))
        != "unchanged"
    )
    is_by_outcome = row is None or (row.final_value is None and row.score is None)
    if row is not None:
        changed = bool(by_row) or (is_other_final and not is_by_outcome)
        decision.fates.append(_fate(stored, is_changed=changed))
    if outcome is not None:
        changed = bool(by_outcome) or (is_other_final and is_by_outcome)
        decision.fates.append(_fate(stored, is_changed=changed))
    decision.check_ins, decision.entries = history.coming, history.standing
    return decision


def _ending(outcome: ImportedOutcome) -> dict[str, Any]:
    return {} if outcome.outcome is None else {"outcome": outcome.outcome.value}


def _final(
    place: Place, source_id: str, row: ImportedGoal | None, stored: KeyResult | None
) -> Statement | None:
    """The final statement of this import's rows; a score that is known outweighs a late percent."""
    if row is None and (stored is None or stored.score is not None):
        return None
    return final_statement(
        None if row is None else row.final_value,
        None if row is None else row.score,
        place.rows.outcomes.get(source_id),
        place.rows.check_ins.get(source_id, []),
    )


class _History:
    """The check-ins of a key result, by the source ids that imports gave them."""

    def __init__(self, prefix: str, check_ins: list[CheckIn]) -> None:
        self._prefix = prefix
        self._latest: dict[str, CheckIn] = {}
        superseded = {each.supersedes_id for each in check_ins}
        for each in sorted(check_ins, key=lambda each: each.id):
            if each.source_id is not None:
                self._latest[each.source_id.partition(REVISION)[0]] = each
        self.standing = [each for each in check_ins if each.id not in superseded]
        self.coming: list[NewCheckIn] = []

    def compare(self, source_id: str, statement: Statement, day: Any) -> Fate:
        """Note what is new or differs; a correction that was made here stands."""
        name = self._prefix + source_id
        latest = self._latest.get(name)
        if latest is None:
            self.coming.append(NewCheckIn(name, statement, day, None))
            return "created"
        same = Statement(latest.value, latest.stated_progress, latest.note) == statement
        if same or latest.id not in {each.id for each in self.standing}:
            return "unchanged"
        revision = int((latest.source_id or "").partition(REVISION)[2] or 1) + 1
        self.coming.append(NewCheckIn(f"{name}{REVISION}{revision}", statement, day, latest))
        self.standing = [each for each in self.standing if each is not latest]
        return "updated"


def measured_at(place: Place, check_in: NewCheckIn) -> Any:
    """Noon of its day in the organization's time zone."""
    return noon_of(check_in.measured_on, place.zone, place.at)
