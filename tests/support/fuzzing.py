"""Generated calls of an operation, led to things that exist, and what is wrong with the answers."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import requests
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core import NOT_SET
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation

from kernel.errors import MEDIA_TYPE
from tests.support.calls import CALLS
from tests.support.generating import Case, boundaries, drawn
from tests.support.live_scene import LiveScene
from tests.support.operations import operations
from tests.support.scene import Call

# These checks ask how a case was generated.
_OF_GENERATED = ("unsupported_method", "allow_header_conformance")
# Members whose values hang on one another, on what is there, or on what day it is: in what is drawn
# at random they stay as in a call that succeeds, so that it gets past them.
_STEERING = {
    *("level", "unit_id", "owner_id", "cycle_id", "parent", "pillar_id", "stated_health"),
    *("metric_kind", "unit_of_measure", "currency", "unit_label", "milestones", "reducer"),
    *("start_value", "target_value", "lower_limit", "upper_limit", "milestones_done", "share"),
    *("starts_on", "ends_on", "parent_id", "into_cycle_id", "due_on", "measured_at"),
    *("kind", "id", "subject", "recipient_ids", "role", "platform", "time_zone", "off_track_lag"),
    *("main_assignment_id", "main_unit_id", "organization", "format", "file", "files"),
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer, by the name that schemathesis gives it."""

    name: str
    places: frozenset[str]
    """What the refusal names: places without their numbers; else the problem's type or status."""
    text: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(sorted(self.places))}): {self.text}"


def faults_of(
    case: Case, answer: Any, *without: str, sent: dict[str, str] | None = None
) -> Iterator[Fault]:
    """What every check but those named says of an answer; `sent` are headers beside the case's."""
    try:
        excluded = [CHECKS.get_one(name) for name in without]
        case.validate_response(answer, headers=sent, excluded_checks=excluded)
    except FailureGroup as group:
        failures: Iterable[BaseException] = group.exceptions
    except Failure as failure:
        failures = [failure]
    else:
        failures = []
    said = f"{answer.request.method} {answer.request.url} {_shown(case.body)}: {answer.text:.300}"
    for failure in failures:
        yield Fault(type(failure).__name__, places_of(answer), f"{failure} {said}")
    if answer.status_code >= 400 and answer.headers["content-type"] != [MEDIA_TYPE]:
        yield Fault("NoProblemDocument", places_of(answer), said)


def _shown(body: Any) -> str:
    return "" if body is NOT_SET else f"{body!r:.300}"


def places_of(answer: Any) -> frozenset[str]:
    """What a refusal blames."""
    try:
        problem = json.loads(answer.text)
        named = [error.get("pointer", error.get("parameter")) for error in problem["errors"]]
    except (ValueError, KeyError, TypeError):
        return frozenset({str(answer.status_code)})
    if not named:
        return frozenset({problem["type"].rpartition("/")[2]})
    return frozenset(
        "/".join(part for part in name.split("/") if not part.isdigit()) for name in named
    )


def _wrong_parameters(case: Case) -> set[str]:
    """The parameters that a case means to be wrong or missing."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_negative:
        return set()
    said = meta.phase.data
    return {
        str(name).lower() for name in (said.parameter, *(each.parameter for each in said.mutations))
    }


def _is_wrong(case: Case, place: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.is_negative_at(place)


def _is_id(value: Any) -> bool:
    try:
        return len(value) == 36 and bool(UUID(value))
    except (TypeError, ValueError, AttributeError):
        return False


class Known:
    """What there is in a scene for an id of some name."""

    def __init__(self, scene: LiveScene) -> None:
        unit, person, colleague = str(scene.unit), str(scene.newcomer), str(scene.colleague)
        self._ids = dict.fromkeys(("cycle_id", "into_cycle_id"), scene.year)
        self._ids |= dict.fromkeys(("unit_id", "unit_ids", "main_unit_id"), unit)
        self._ids |= dict.fromkeys(("person_id", "contributor_ids", "viewer_ids"), person)
        self._ids |= dict.fromkeys(("manager_id", "recipient_ids"), colleague)
        self._ids |= {"owner_id": str(scene.keeper)}

    def led(self, value: Any, good: Any, name: str = "", *, lists: bool = True) -> Any:
        """The same value with ids of things that exist; `good` is what stands here in a good call.

        A list that is wrong by its length, or by what it repeats, stays so without `lists`.
        """
        if isinstance(value, dict):
            members = good if isinstance(good, dict) else {}
            return {
                key: self.led(each, members.get(key), key, lists=lists)
                for key, each in value.items()
            }
        if isinstance(value, list) and lists:
            item = good[0] if isinstance(good, list) and good else None
            items = [self.led(each, item, name) for each in value]
            return list(dict.fromkeys(items)) if items and _is_id(items[0]) else items
        if _is_id(value):
            return good if _is_id(good) else self._ids.get(name, value)
        return value


def _lead(case: Case, call: Call, known: Known) -> None:
    """Let a case name what exists, in whatever it does not mean to be wrong."""
    if not _is_wrong(case, ParameterLocation.PATH):
        case.path_parameters = dict(call.path)
    if isinstance(case.query, dict):
        for name, value in case.query.items():
            case.query[name] = known.led(value, call.query.get(name), name, lists=False)
    if case.headers.get("Idempotency-Key") and "idempotency-key" not in _wrong_parameters(case):
        # A key is good for one body: another one of the same length, or of 36 characters.
        key = f"{uuid4()}{case.headers['Idempotency-Key']}"
        case.headers["Idempotency-Key"] = key[: max(36, len(key) - 36)]
    if case.media_type == "application/json":
        lists = not _is_wrong(case, ParameterLocation.BODY)
        case.body = known.led(case.body, call.body, lists=lists)


def _blend(case: Case, call: Call) -> None:
    """Let a drawn case differ from the good call in what stands for itself alone."""
    case.query = call.query | {
        name: value for name, value in case.query.items() if name not in {*call.query, "cursor"}
    }
    if isinstance(case.body, dict):
        drawn_members = {
            name: _plain(value) for name, value in case.body.items() if name not in _STEERING
        }
        case.body = _body_of(call) | drawn_members


def _body_of(call: Call) -> dict[str, Any]:
    if not call.form:
        return dict(call.body or {})
    contents = [content for _, (_, content, _) in call.form["files"]]
    return call.form["data"] | {"file": contents}


def _plain(value: Any) -> Any:
    """Numbers as the product takes them: at most six decimals, and no 1.0 for a whole one.

    JSON Schema can say neither: it divides binary fractions, and 1.0 is an integer to it.
    """
    match value:
        case float():
            rounded = round(float(f"{value:.15g}"), 6)
            return int(rounded) if rounded.is_integer() else rounded
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case _:
            return value


@dataclass
class Target:
    """An operation, and the things that generated calls of it are led to."""

    scene: LiveScene
    operation: Any
    address: str
    session: requests.Session
    statuses: Counter[int] = field(default_factory=Counter)
    """Of the generated calls."""
    faults: list[Fault] = field(default_factory=list)
    _call: Call | None = None

    @property
    def name(self) -> str:
        return str(self.operation.definition.raw["operationId"])

    async def tried(self, unsigned: Any) -> "Target":
        """Every call sent and judged; `unsigned` is the operation without its token."""
        await self._try_the_good_call()
        for case in boundaries(self.operation):
            await self._try(case)
        for mode in GenerationMode:
            for case in drawn(unsigned, mode):
                if mode is GenerationMode.POSITIVE:
                    _blend(case, await self._ready())
                await self._try(case)
        return self

    async def _ready(self) -> Call:
        """How the operation is called successfully now; made anew after it was."""
        if self._call is None:
            self._call = await CALLS[self.name](self.scene.standing())
        return self._call

    async def _try(self, case: Case) -> None:
        answer, _ = await self._sent(case, await self._ready())
        self.statuses[answer.status_code] += 1
        self.faults += faults_of(case, answer, "ignored_auth")
        if answer.status_code < 300 and case.method != "GET":
            self._call = None

    async def _sent(self, case: Case, call: Call) -> tuple[Any, dict[str, str]]:
        described, wrong, headers = operations()[self.name], _wrong_parameters(case), {}
        if not described.is_public and "authorization" not in wrong:
            token = call.token or await self.scene.token(call.by or self.scene.keeper)
            headers["Authorization"] = f"Bearer {token}"
        _lead(case, call, Known(self.scene))
        if described.needs_version and "if-match" not in wrong:
            case.headers.pop("if-match", None)
            tag = await self.scene.tag(call.reads or described.path.format(**call.path))
            headers["If-Match"] = tag
        answer = case.call(base_url=self.address, session=self.session, headers=headers)
        return answer, headers

    async def _try_the_good_call(self) -> None:
        """It succeeds, only with a token; what it made is there, and what it ended is not."""
        call = await self._ready()
        body: dict[str, Any] = {}
        if call.body is not None or call.form:
            media_type = "multipart/form-data" if call.form else "application/json"
            body = {"body": _body_of(call), "media_type": media_type}
        case = self.operation.Case(path_parameters=dict(call.path), query=dict(call.query), **body)
        answer, sent = await self._sent(case, call)
        assert answer.status_code < 300, answer.text
        self._call = None if case.method != "GET" else call
        self.faults += faults_of(case, answer, *_OF_GENERATED, sent=sent)
        if answer.status_code == 201 and (path := _read_at(case, json.loads(answer.text))):
            read = self.session.get(self.address + path, headers=sent)
            if not read.ok:
                self.faults.append(Fault("EnsureResourceAvailability", places_of(read), read.text))
        if case.method == "DELETE":
            again, _ = await self._sent(case, call)
            # 401 where it was the caller's own session.
            if again.status_code not in {401, 404}:
                self.faults.append(Fault("UseAfterFree", places_of(again), again.text))


def _read_at(case: Case, made: dict[str, Any]) -> str | None:
    """Where what was made is read, if the document has a place for it."""
    collection = f"/v1/{case.path.rpartition('/')[2]}/"
    is_read = any(
        each.method == "GET" and each.path.startswith(f"{collection}{{") and each.path.endswith("}")
        for each in operations().values()
    )
    return f"{collection}{made['id']}" if is_read else None
