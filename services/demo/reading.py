"""The demo companies as their files tell them: typed, within bounds, every reference resolved."""

import tomllib
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import ConfigDict, Field, StrictInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from kernel.fields import Fraction, LongText, Number, Percent, ShortText, Title, Weight
from services.identity.catalogue.rules import Catalogue, Platform

DATA = files(__package__) / "data"
ADMINISTRATOR = "administrator"
QUANTITIES = frozenset({"increase", "decrease", "percent"})
FLOORS_AND_CEILINGS = frozenset({"maintain_at_least", "maintain_at_most"})

record = dataclass(frozen=True, config=ConfigDict(extra="forbid"))

Key = Annotated[str, Field(pattern=r"^[a-z0-9_]+(-[a-z0-9_]+)*$", max_length=60)]
DaysAgo = Annotated[StrictInt, Field(ge=0, le=400)]
Month = Annotated[StrictInt, Field(ge=1, le=12)]
Health = Literal["not_started", "on_track", "at_risk", "off_track", "done"]
MetricKind = Literal[
    "increase",
    "decrease",
    "maintain_at_least",
    "maintain_at_most",
    "percent",
    "binary",
    "milestone",
]
Audience = Literal["recipient", "manager", "public"]


class DemoError(ValueError):
    """A demo file that cannot be taken; the message names the file and the key."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}")


@record
class Organization:
    """`fiscal_year_start_month` is 1 for January."""

    name: ShortText
    time_zone: str
    fiscal_year_start_month: Month


@record
class Unit:
    """The one unit without a parent is the company and has no kind."""

    key: Key
    name: ShortText
    kind: Literal["workspace", "department", "team", "group"] | None = None
    parent: Key | None = None


@record
class Person:
    """One login: the key of its role is also its own key and the local part of its address."""

    role: Key
    name: ShortText
    unit: Key
    manager: Key | None = None


@record
class Cycle:
    """The running year or quarter; `cycle_dates` gives its days."""

    key: Key
    kind: Literal["year", "quarter"]
    cadence: Literal["weekly", "every_2_weeks", "every_3_weeks", "monthly", "none"]
    parent: Key | None = None


@record
class Milestone:
    key: Key
    title: Title
    weight: Weight = Decimal(1)


@record
class CheckIn:
    """A milestone states `milestones_done`, all of them so far; any other kind its `value`."""

    days_ago: DaysAgo
    value: Number | None = None
    milestones_done: tuple[Key, ...] = ()
    health: Health | None = None
    confidence: Fraction | None = None
    note: LongText = ""


@record
class KeyResult:
    """`owner` is the objective's where it is not said."""

    key: Key
    title: Title
    metric_kind: MetricKind
    unit_of_measure: Literal["number", "percent", "currency", "custom"] = "number"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    unit_label: ShortText | None = None
    start_value: Number | None = None
    target_value: Number | None = None
    weight: Weight = Decimal(1)
    owner: Key | None = None
    milestones: tuple[Milestone, ...] = ()
    check_ins: tuple[CheckIn, ...] = ()


@record
class Parent:
    """Exactly one of `objective` and `key_result`, told of earlier in the file."""

    objective: Key | None = None
    key_result: Key | None = None
    link: Literal["contributes", "supports"] = "contributes"
    weight: Weight = Decimal(1)
    share: Percent | None = None


@record
class Objective:
    """`unit` is said for the level `unit` only; the others follow from their level."""

    key: Key
    title: Title
    level: Literal["company", "unit", "individual"]
    owner: Key
    cycle: Key
    description: LongText = ""
    unit: Key | None = None
    parent: Parent | None = None
    contributors: tuple[Key, ...] = ()
    commitment: Literal["committed", "aspirational", "learning"] = "committed"
    visibility: Literal["public", "private"] = "public"
    viewers: tuple[Key, ...] = ()
    tags: tuple[ShortText, ...] = ()
    state: Literal["draft", "active"] = "active"
    health_rule: Literal["pace", "worst_child"] = "pace"
    key_results: tuple[KeyResult, ...] = ()


@record
class Response:
    by: Key
    days_ago: DaysAgo
    body: LongText


@record
class FeedbackRequest:
    """A question on one goal; who is asked and has no response yet still has it open."""

    asked_by: Key
    recipients: tuple[Key, ...]
    question: LongText
    visibility: Audience
    days_ago: DaysAgo
    objective: Key | None = None
    key_result: Key | None = None
    due_in_days: Annotated[StrictInt, Field(ge=0, le=60)] | None = None
    responses: tuple[Response, ...] = ()


@record
class Feedback:
    """Feedback that nobody asked for."""

    by: Key
    body: LongText
    visibility: Audience
    days_ago: DaysAgo
    objective: Key | None = None
    key_result: Key | None = None


@record
class Demo:
    slug: Key
    organization: Organization
    units: tuple[Unit, ...]
    people: tuple[Person, ...]
    cycles: tuple[Cycle, ...]
    objectives: tuple[Objective, ...]
    feedback_requests: tuple[FeedbackRequest, ...] = ()
    feedback: tuple[Feedback, ...] = ()

    @property
    def has_talks(self) -> bool:
        """Whether anybody asks for feedback or gives it."""
        return bool(self.feedback_requests or self.feedback)

    def address_of(self, person: Person) -> str:
        return f"{person.role}@{self.slug}.example"


Fault = tuple[str, str]


def cycle_dates(
    kind: Literal["year", "quarter"], today: date, first_month: int
) -> tuple[date, date]:
    """First and last day, both inclusive, of the fiscal year or quarter that holds `today`."""
    months = 12 if kind == "year" else 3
    passed = (today.month - first_month) % months
    first = today.year * 12 + today.month - 1 - passed
    after = first + months
    starts_on = date(first // 12, first % 12 + 1, 1)
    return starts_on, date(after // 12, after % 12 + 1, 1) - timedelta(days=1)


def cycle_name(kind: Literal["year", "quarter"], today: date, first_month: int) -> str:
    """`2026`, or `2026/27` where the fiscal year crosses two; quarters as `Q1 2026/27`."""
    starts_on, ends_on = cycle_dates("year", today, first_month)
    year = str(starts_on.year)
    if ends_on.year > starts_on.year:
        year += f"/{ends_on.year % 100:02}"
    quarter = (today.month - first_month) % 12 // 3 + 1
    return year if kind == "year" else f"Q{quarter} {year}"


def _keys(where: str, keys: Iterable[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            yield where, f"{key!r} stands twice"
        seen.add(key)


def _known(where: str, keys: Iterable[str | None], known: Iterable[str]) -> Iterator[Fault]:
    found = set(known)
    for key in keys:
        if key is not None and key not in found:
            yield where, f"{key!r} is not known, or comes later"


def _ground_faults(demo: Demo, platform: Platform) -> Iterator[Fault]:
    if demo.organization.time_zone not in available_timezones():
        yield "organization.time_zone", "must be an IANA time zone"
    yield from _keys("units", [unit.key for unit in demo.units])
    for place, unit in enumerate(demo.units):
        is_root = place == 0
        if (unit.parent is None) != is_root or (unit.kind is None) != is_root:
            yield f"units.{unit.key}", "the first unit alone has neither parent nor kind"
        yield from _known(
            f"units.{unit.key}.parent", [unit.parent], [u.key for u in demo.units[:place]]
        )
    roles = [person.role for person in demo.people]
    if sorted(roles) != sorted([ADMINISTRATOR, *(role.key for role in platform.roles)]):
        yield "people", "must be one for each role of the platform and an administrator"
    for person in demo.people:
        where = f"people.{person.role}"
        yield from _known(f"{where}.unit", [person.unit], [unit.key for unit in demo.units])
        yield from _known(f"{where}.manager", [person.manager], set(roles) - {person.role})
    yield from _keys("cycles", [cycle.key for cycle in demo.cycles])
    for place, cycle in enumerate(demo.cycles):
        earlier = [other.key for other in demo.cycles[:place]]
        yield from _known(f"cycles.{cycle.key}.parent", [cycle.parent], earlier)


def _key_result_faults(key_result: KeyResult) -> Iterator[Fault]:
    where = f"key_results.{key_result.key}"
    kind = key_result.metric_kind
    needed = {
        "start_value": kind in QUANTITIES,
        "target_value": kind in QUANTITIES | FLOORS_AND_CEILINGS,
        "milestones": kind == "milestone",
        "currency": key_result.unit_of_measure == "currency",
        "unit_label": key_result.unit_of_measure == "custom",
    }
    for name, is_needed in needed.items():
        if (getattr(key_result, name) not in {None, ()}) != is_needed:
            yield (
                f"{where}.{name}",
                f"is {'needed' if is_needed else 'not for'} a {kind} of its unit",
            )
    steps = [milestone.key for milestone in key_result.milestones]
    yield from _keys(f"{where}.milestones", steps)
    days = [check_in.days_ago for check_in in key_result.check_ins]
    if days != sorted(set(days), reverse=True):
        yield f"{where}.check_ins", "must run from the oldest to the latest, one a day"
    for check_in in key_result.check_ins:
        yield from _known(f"{where}.check_ins", check_in.milestones_done, steps)
        if (check_in.value is None) != (kind == "milestone"):
            yield f"{where}.check_ins", "need a value, or for a milestone the steps done"


def _objective_faults(demo: Demo) -> Iterator[Fault]:
    people = [person.role for person in demo.people]
    objectives: list[str] = []
    key_results: list[str] = []
    for objective in demo.objectives:
        where = f"objectives.{objective.key}"
        owners = (objective.owner, *(result.owner for result in objective.key_results))
        named = (*owners, *objective.contributors, *objective.viewers)
        yield from _known(where, named, people)
        yield from _known(f"{where}.unit", [objective.unit], [unit.key for unit in demo.units])
        yield from _known(f"{where}.cycle", [objective.cycle], [c.key for c in demo.cycles])
        if (objective.unit is None) != (objective.level != "unit"):
            yield f"{where}.unit", "is said for the level unit, and only there"
        if objective.viewers and objective.visibility == "public":
            yield f"{where}.viewers", "are chosen for private goals only"
        if objective.parent is not None:
            yield from _one_goal(f"{where}.parent", objective.parent, objectives, key_results)
        for key_result in objective.key_results:
            yield from _key_result_faults(key_result)
            if objective.state == "draft" and key_result.check_ins:
                yield f"{where}.key_results", "of a draft have no check-ins"
        objectives.append(objective.key)
        key_results += [result.key for result in objective.key_results]
    yield from _keys("objectives", objectives)
    yield from _keys("key_results", key_results)


def _one_goal(
    where: str,
    goal: Parent | FeedbackRequest | Feedback,
    objectives: Iterable[str],
    key_results: Iterable[str],
) -> Iterator[Fault]:
    if (goal.objective is None) == (goal.key_result is None):
        yield where, "must name an objective or a key result, not both"
    yield from _known(f"{where}.objective", [goal.objective], objectives)
    yield from _known(f"{where}.key_result", [goal.key_result], key_results)


def _feedback_faults(demo: Demo) -> Iterator[Fault]:
    people = [person.role for person in demo.people]
    objectives = [objective.key for objective in demo.objectives]
    key_results = [result.key for goal in demo.objectives for result in goal.key_results]
    for place, request in enumerate(demo.feedback_requests):
        where = f"feedback_requests[{place}]"
        yield from _one_goal(where, request, objectives, key_results)
        yield from _known(where, [request.asked_by, *request.recipients], people)
        by = [response.by for response in request.responses]
        yield from _known(f"{where}.responses", by, request.recipients)
        yield from _keys(f"{where}.responses", by)
        if not request.recipients or request.asked_by in request.recipients:
            yield f"{where}.recipients", "must be somebody, and not who asks"
        if any(response.days_ago > request.days_ago for response in request.responses):
            yield f"{where}.responses", "cannot come before the question"
    for place, given in enumerate(demo.feedback):
        yield from _one_goal(f"feedback[{place}]", given, objectives, key_results)
        yield from _known(f"feedback[{place}].by", [given.by], people)


def read_demo(platform: Platform, folder: Traversable = DATA) -> Demo:
    """The company of one platform; raises `DemoError` at its first fault."""
    file = f"{platform.slug}.toml"
    try:
        content = tomllib.loads((folder / file).read_text("utf-8"), parse_float=Decimal)
        demo = TypeAdapter(Demo).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DemoError(file, ".".join(str(part) for part in first["loc"]), first["msg"]) from error
    except (OSError, ValueError) as error:
        raise DemoError(file, "the whole file", str(error)) from error
    if demo.slug != platform.slug:
        raise DemoError(file, "slug", "must be the name of the file")
    for check in (_ground_faults(demo, platform), _objective_faults(demo), _feedback_faults(demo)):
        for key, reason in check:
            raise DemoError(file, key, reason)
    return demo


def read_demos(catalogue: Catalogue, folder: Traversable = DATA) -> tuple[Demo, ...]:
    """One company for each platform of the catalogue, in its order."""
    return tuple(read_demo(platform, folder) for platform in catalogue.platforms.values())
