"""Random goals written as plain rows, and what they must add up to, computed without the product.

`recomputed` is the straightforward reading of product.md: recursive, in exact fractions, one
objective at a time. It shares no code with the fold, so that neither hides the other's mistake.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from kernel import clock
from kernel.ids import uuid7
from services.okr.cycles.models import Cycle
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from tests.support.okr import World

SEVERITY = ("done", "on_track", "at_risk", "off_track")
PUT_ASIDE = {"postponed", "cancelled"}


class Values(NamedTuple):
    """What a fold should have stored."""

    progress: Decimal | None
    computed: Decimal | None
    health: str
    is_overridden: bool


@dataclass
class Goals:
    """Everything in an organization that progress depends on, read as plain rows."""

    at: datetime
    zone: ZoneInfo
    counts_private: bool
    objectives: dict[UUID, Any]
    cycles: dict[UUID, Any]
    key_results: dict[UUID, list[Any]]
    links: dict[UUID, list[Any]]
    kept: Mapping[UUID, Values]
    """Of objectives that had ended before: what they keep."""
    memory: dict[UUID, Values] = field(default_factory=dict)

    def elapsed(self, objective: Any) -> Fraction | None:
        cycle = self.cycles[objective.cycle_id]
        if cycle.ends_on is None:
            return None
        begins = self._midnight(cycle.starts_on)
        length = self._midnight(cycle.ends_on + timedelta(days=1)) - begins
        passed = int((self.at - begins).total_seconds() // 1)
        return max(Fraction(0), min(Fraction(1), Fraction(passed, int(length.total_seconds()))))

    def _midnight(self, day: date) -> datetime:
        naive = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return datetime.fromtimestamp(naive.timestamp(), tz=self.at.tzinfo)

    def pace(self, progress: Decimal | None, objective: Any, *, is_held: bool = False) -> str:
        elapsed = self.elapsed(objective)
        if progress is None:
            return "not_started"
        if progress >= 1:
            is_over = elapsed is not None and elapsed == 1
            return "done" if is_over or not is_held else "on_track"
        lag = Fraction(0) if elapsed is None else elapsed - Fraction(progress)
        return "off_track" if lag > Fraction(1, 4) else "at_risk" if lag > 0 else "on_track"

    def key_result_health(self, key_result: Any) -> str:
        if key_result.is_health_stated:
            return str(key_result.health)
        return self.pace(
            key_result.progress_unclamped if key_result.last_check_in_id else None,
            self.objectives[key_result.objective_id],
            is_held=key_result.metric_kind.startswith("maintain"),
        )

    def due(self, objective: Any) -> datetime | None:
        """When the first of its key results waits for a check-in."""
        waiting = [
            each.check_in_due_at
            for each in self.key_results[objective.id]
            if each.check_in_due_at and not each.is_archived and each.outcome is None
        ]
        return min(waiting) if waiting and objective.state == "active" else None

    def values(self, objective_id: UUID) -> Values:
        if objective_id in self.kept:
            return self.kept[objective_id]
        if objective_id not in self.memory:
            self.memory[objective_id] = self._values(self.objectives[objective_id])
        return self.memory[objective_id]

    def _values(self, objective: Any) -> Values:
        parts = self._parts(objective)
        computed = _rolled_up(objective.rollup_rule, parts)
        holds = objective.override_value is not None and (
            objective.override_mode == "until_resumed" or computed == objective.override_computed
        )
        shown = _clamped(Fraction(objective.override_value)) if holds else computed
        healths = {health for _, _, _, health in parts}
        if objective.rollup_health == "manual":
            health = objective.stated_health or "not_started"
        elif objective.rollup_health == "worst_child":
            health = _worst(healths)
        else:
            has_begun = holds or healths - {"not_started"}
            health = self.pace(shown if has_begun else None, objective)
        return Values(shown, computed, health, holds)

    def _parts(self, objective: Any) -> list[tuple[Fraction, Decimal, Decimal | None, str]]:
        """(progress, weight, share, health) of what counts."""
        parts = []
        if objective.rollup_rule == "manual":
            return []
        if objective.rollup_sources in {"both", "key_results"}:
            for each in self.key_results[objective.id]:
                if not each.is_archived and each.outcome not in PUT_ASIDE:
                    progress = Fraction(_clamped(Fraction(each.progress_unclamped)))
                    parts.append((progress, each.weight, each.share, self.key_result_health(each)))
        if objective.rollup_sources in {"both", "children"}:
            children = {link.objective_id: link for link in reversed(self._counting(objective))}
            for child_id, link in sorted(children.items()):
                progress_of_child, _, health, _ = self.values(child_id)
                if progress_of_child is not None:
                    parts.append((Fraction(progress_of_child), link.weight, link.share, health))
        if objective.rollup_rule == "weights":
            return [part for part in parts if part[1] != 0]
        if objective.rollup_rule == "shares":
            return [part for part in parts if part[2] != 0]
        return parts

    def _counting(self, objective: Any) -> list[Any]:
        """The links from below that count, the first one first."""
        counting = []
        for link in self.links[objective.id]:
            child = self.objectives[link.objective_id]
            is_seen = child.visibility == "public" or self.counts_private
            has_place = child.state in {"active", "closed"} and child.outcome not in PUT_ASIDE
            if link.link == "contributes" and not link.is_excluded and is_seen and has_place:
                counting.append(link)
        return counting


def _clamped(number: Fraction) -> Decimal:
    """Within 0 and 1, to the fifteen decimals that are kept."""
    number = max(Fraction(0), min(Fraction(1), number))
    scaled = number * 10**15
    return Decimal(round(scaled)).scaleb(-15)  # Python rounds half to even


def _rolled_up(
    rule: str, parts: list[tuple[Fraction, Decimal, Decimal | None, str]]
) -> Decimal | None:
    if rule == "shares":
        fixed = sum((Fraction(share) for _, _, share, _ in parts if share is not None), Fraction(0))
        open_parts = sum(share is None for _, _, share, _ in parts)
        rest = max(Fraction(0), 100 - fixed) / (open_parts or 1)
        weights = [rest if share is None else Fraction(share) for _, _, share, _ in parts]
    elif rule == "weights":
        weights = [Fraction(weight) for _, weight, _, _ in parts]
    else:
        weights = [Fraction(1) for _ in parts]
    if not sum(weights):
        return None
    reached = sum(weight * part[0] for weight, part in zip(weights, parts, strict=True))
    return _clamped(Fraction(reached / sum(weights)))


def _worst(healths: set[str]) -> str:
    started = healths - {"not_started"}
    if not started:
        return "not_started"
    worst = max(started, key=SEVERITY.index)
    return "on_track" if worst == "done" and "not_started" in healths else worst


async def read(world: World, kept: Mapping[UUID, Values] | None = None) -> Goals:
    """The organization's goals as they are stored, what the fold writes aside."""
    key_results, links = defaultdict(list), defaultdict(list)
    async with world.session() as session:
        settings = await session.scalar(text("SELECT count_private_children FROM goal_settings"))
        objectives = (await session.execute(text("SELECT * FROM objective"))).all()
        cycles = (await session.execute(text("SELECT * FROM cycle"))).all()
        for row in await session.execute(text("SELECT * FROM key_result ORDER BY position, id")):
            key_results[row.objective_id].append(row)
        ordered = "SELECT * FROM alignment_link ORDER BY is_primary DESC, created_at, id"
        for row in await session.execute(text(ordered)):
            links[row.parent_objective_id].append(row)
    return Goals(
        clock.now(),
        ZoneInfo(world.time_zone),
        bool(settings),
        {row.id: row for row in objectives},
        {row.id: row for row in cycles},
        key_results,
        links,
        kept or {},
    )


def folded(goals: Goals) -> dict[UUID, Values]:
    """What the fold has stored."""
    return {
        row.id: Values(
            row.progress, row.computed_progress, row.health, row.override_value is not None
        )
        for row in goals.objectives.values()
    }


def recomputed(goals: Goals) -> dict[UUID, Values]:
    """What it should have stored."""
    return {objective_id: goals.values(objective_id) for objective_id in goals.objectives}


def counted(goals: Goals) -> dict[tuple[UUID, UUID, str], tuple[int, int, Decimal]]:
    """The counters, counted by looking at every objective."""
    objectives: Counter[tuple[UUID, UUID, str]] = Counter()
    with_progress: Counter[tuple[UUID, UUID, str]] = Counter()
    sums: dict[tuple[UUID, UUID, str], Decimal] = defaultdict(Decimal)
    for row in goals.objectives.values():
        has_place = row.state in {"active", "closed"} and row.outcome not in PUT_ASIDE
        if row.visibility == "public" and has_place:
            place = (row.cycle_id, row.unit_id, row.health)
            objectives[place] += 1
            with_progress[place] += row.progress is not None
            sums[place] += row.progress or 0
    return {
        place: (objectives[place], with_progress[place], sums[place].normalize())
        for place in objectives
    }


async def counters(world: World) -> dict[tuple[UUID, UUID, str], tuple[int, int, Decimal]]:
    """The counters as they are kept, empty ones left out."""
    async with world.session() as session:
        rows = (await session.execute(text("SELECT * FROM health_count"))).all()
    return {
        (row.cycle_id, row.unit_id, row.health): (
            row.objectives,
            row.with_progress,
            row.progress_sum.normalize(),
        )
        for row in rows
        if row.objectives
    }


@dataclass
class Forest:
    """An organization with random goals, and the dice they were thrown with."""

    world: World
    dice: Random
    cycles: list[Cycle]
    units: list[UUID]
    people: list[UUID]
    objectives: list[Objective] = field(default_factory=list)
    key_results: list[KeyResult] = field(default_factory=list)

    def chance(self, percent: int) -> bool:
        return self.dice.randrange(100) < percent

    def number(self, low: float, high: float) -> Decimal:
        return Decimal(str(round(self.dice.uniform(low, high), 6)))

    def share(self) -> Decimal | None:
        return self.dice.choice([None, None, Decimal(0), Decimal(10), Decimal(40), Decimal(70)])


async def grown(world: World, seed: int, size: int = 30) -> Forest:
    """An organization with `size` objectives below each other in every way there is, all marked."""
    year = await world.cycle()
    quarter = await world.cycle(
        name="A quarter",
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 3, 31),
        parent_id=year.id,
    )
    endless = await world.cycle(name="Without an end", ends_on=None)
    team = await world.unit()
    forest = Forest(
        world,
        Random(seed),
        [year, quarter, endless],
        [world.root_id, team, await world.unit(team)],
        [await world.person() for _ in range(3)],
    )
    async with world.session() as session:
        for _ in range(size):
            objective = _objective(forest)
            session.add(objective)
            await session.flush()
            key_results = [_key_result(forest) for _ in range(forest.dice.randrange(4))]
            for position, key_result in enumerate(key_results):
                key_result.objective_id, key_result.position = objective.id, position
            session.add_all(key_results)
            await session.flush()
            for link in _links(forest, key_results_of(forest)):
                link.objective_id = objective.id
                if link.is_primary:
                    objective.parent_objective_id = link.parent_objective_id
                    objective.parent_key_result_id = link.parent_key_result_id
                session.add(link)
            forest.objectives.append(objective)
            forest.key_results.extend(key_results)
    for objective in forest.objectives:
        await world.mark(objective.id)
    return forest


def key_results_of(forest: Forest) -> dict[UUID, list[UUID]]:
    found = defaultdict(list)
    for key_result in forest.key_results:
        found[key_result.objective_id].append(key_result.id)
    return found


def _objective(forest: Forest) -> Objective:
    dice = forest.dice
    state = dice.choices(["active", "draft", "closed", "archived"], [75, 10, 12, 3])[0]
    health = dice.choices(["pace", "worst_child", "manual"], [70, 20, 10])[0]
    outcomes = ["achieved", "partial", "missed", "postponed", "cancelled"]
    objective = Objective(
        title="An objective",
        level="unit",
        unit_id=dice.choice(forest.units),
        owner_id=dice.choice(forest.people),
        cycle_id=dice.choice(forest.cycles).id,
        commitment="committed",
        visibility="private" if forest.chance(20) else "public",
        state=state,
        outcome=dice.choice(outcomes) if state == "closed" else None,
        rollup_rule=dice.choices(["weights", "average", "shares", "manual"], [50, 20, 25, 5])[0],
        rollup_sources=dice.choice(["both", "both", "key_results", "children"]),
        rollup_health=health,
        stated_health=dice.choice([None, "off_track"]) if health == "manual" else None,
    )
    if forest.chance(10):
        objective.override_value = forest.number(0, 1)
        objective.override_mode = dice.choice(["once", "until_resumed"])
        objective.override_reason = "a reason"
    return objective


def _key_result(forest: Forest) -> KeyResult:
    key_result = KeyResult(
        title="A key result",
        metric_kind=forest.dice.choice(["increase", "maintain_at_least", "binary"]),
        unit_of_measure="number",
        owner_id=None,
        weight=forest.dice.choice([Decimal(0), Decimal(1), Decimal(1), Decimal("2.5")]),
        share=forest.share(),
        is_archived=forest.chance(10),
        outcome=forest.dice.choice([None, None, None, "missed", "cancelled"]),
    )
    if forest.chance(50):
        key_result.check_in_due_at = clock.now() + timedelta(days=forest.dice.randrange(-9, 9))
    if forest.chance(70):
        measure(forest, key_result)
    return key_result


def measure(forest: Forest, key_result: KeyResult) -> None:
    """As a check-in leaves it."""
    progress = forest.number(-0.3, 1.3)
    key_result.progress_unclamped = progress
    key_result.progress = max(Decimal(0), min(Decimal(1), progress))
    key_result.last_check_in_id = uuid7()
    key_result.last_check_in_at = clock.now()
    key_result.is_health_stated = forest.chance(20)
    key_result.health = forest.dice.choice(SEVERITY)


def _links(forest: Forest, key_results: dict[UUID, list[UUID]]) -> list[AlignmentLink]:
    """Up to three links to objectives made before, perhaps two to the same."""
    count = forest.dice.choices([0, 1, 2, 3], [25, 50, 15, 10])[0]
    links: dict[Any, AlignmentLink] = {}
    for _ in range(count if forest.objectives else 0):
        parent = forest.dice.choice(forest.objectives)
        below = forest.dice.choice([None, *key_results[parent.id]])
        first = AlignmentLink(
            parent_objective_id=parent.id,
            parent_key_result_id=below,
            link="supports" if forest.chance(15) else "contributes",
            weight=forest.dice.choice([Decimal(0), Decimal(1), Decimal(3)]),
            share=forest.share(),
            is_primary=not links,
            is_excluded=forest.chance(10),
        )
        links.setdefault((parent.id, below), first)
        if forest.chance(50) and key_results[parent.id]:
            again = forest.dice.choice(key_results[parent.id])
            links.setdefault(
                (parent.id, again),
                AlignmentLink(
                    parent_objective_id=parent.id,
                    parent_key_result_id=again,
                    link="contributes",
                    is_primary=False,
                ),
            )
    return list(links.values())
