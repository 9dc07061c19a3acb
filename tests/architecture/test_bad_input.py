"""Bad input is refused by a problem document that names the place, and nothing has changed.

Most of it is made from the document: every place of every body, every parameter. What takes two
things that do not go together stands below, by hand.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kernel.errors import MEDIA_TYPE
from tests.support.calls import CALLS
from tests.support.mutations import RAW, mutations, wrong_parameters
from tests.support.operations import operations
from tests.support.scene import Call, Scene
from tests.support.tokens import claims_for, signed
from tests.support.whole import changed

# As pydantic says it, in its own terms and with names of Python.
VALIDATORS_OWN = re.compile(r"Input|[Vv]alue (error|should)|should (be|have)|unable to|<\w+\.")
ALL = sorted(operations())
WITH_BODY = [name for name in ALL if operations()[name].body is not None]
WITHOUT_BODY = [
    name
    for name in ALL
    if operations()[name].is_write and "requestBody" not in operations()[name].description
]
pytestmark = pytest.mark.usefixtures("impatience")


def faults_of(answer: httpx2.Response, statuses: set[int], places: tuple[str, ...]) -> list[str]:
    """What is wrong with a refusal; `places` are pointers or parameters, one of which it names."""
    if answer.status_code not in statuses:
        return [f"{answer.status_code} {answer.text:.300}"]
    said = answer.json()
    if answer.headers["content-type"] != MEDIA_TYPE or not said["detail"]:
        return ["no problem document"]
    named = [error.get("pointer", error.get("parameter")) for error in said["errors"]]
    if places and not set(places) & set(named):
        return [f"names {named} and not {places[0]!r}: {answer.text:.300}"]
    if not all(error["detail"] for error in said["errors"]):
        return ["does not say what is wrong"]
    return [
        f"speaks the validator's language: {error['detail']}"
        for error in said["errors"]
        if VALIDATORS_OWN.search(error["detail"])
    ]


def written(body: Any) -> bytes:
    """JSON in which what JSON cannot hold stands as it is."""
    text = json.dumps(body)
    while f'"{RAW}' in text:
        before, _, rest = text.partition(f'"{RAW}')
        value, _, after = rest.partition('"')
        text = before + value + after
    return text.encode()


@pytest.mark.parametrize("name", WITH_BODY)
async def test_every_place_of_a_body_refuses_what_it_must_not_take(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    faults, tried = [], 0
    for mutation in mutations(call.body, operations()[name].body or {}):
        tried += 1
        told = replace(call, body=None)
        answer = await scene.send(name, told, content=written(mutation.body), deliver=False)
        found = faults_of(answer, {422}, mutation.pointers)
        faults += [f"{mutation.why}: {fault}" for fault in found]

    assert faults == []
    assert tried > 0
    assert changed(before, await scene.picture()) == []


BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "nothing": (b"", {}, 422),
    "half an object": (b'{"a": ', {}, 422),
    "a list": (b"[]", {}, 422),
    "null": (b"null", {}, 422),
    "a name twice": (b'{"a": 1, "a": 2}', {}, 422),
    "not UTF-8": (b'{"a": "\xff"}', {}, 422),
    "deeply nested": (b"[" * 5_000 + b"]" * 5_000, {}, 422),
    "a number of 5,000 digits": (b'{"a": ' + b"1" * 5_000 + b"}", {}, 422),
    "not said to be JSON": (b"a=1", {"Content-Type": "text/plain"}, 422),
}


@pytest.mark.parametrize("name", WITH_BODY)
async def test_what_is_no_body_is_refused(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    is_required = operations()[name].description["requestBody"].get("required", False)
    faults = []
    for why, (content, headers, status) in BODIES.items():
        if why == "nothing" and not is_required:
            continue
        told = replace(call, body=None)
        answer = await scene.send(name, told, content=content, headers=headers, deliver=False)
        places = ("",) if status == 422 and why != "a list" else ()
        faults += [f"{why}: {fault}" for fault in faults_of(answer, {status}, places)]

    assert faults == []
    assert changed(before, await scene.picture()) == []


NOT_TAKEN = {
    "a member": b'{"strange": 1}',
    "null": b"null",
    "a list": b"[{}]",
    "no JSON": b"strange=1",
    "deeply nested": b"[" * 5_000 + b"]" * 5_000,
}


@pytest.mark.parametrize("name", WITHOUT_BODY)
async def test_a_body_that_an_operation_does_not_take_is_refused(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    faults = []
    for why, content in NOT_TAKEN.items():
        answer = await scene.send(name, call, content=content, deliver=False)
        faults += [f"{why}: {fault}" for fault in faults_of(answer, {422}, ("",))]

    assert faults == []
    assert changed(before, await scene.picture()) == []
    # The control: an object that says nothing is no harm.
    assert (await scene.send(name, call, content=b"{}")).is_success


@pytest.mark.parametrize("name", WITH_BODY + WITHOUT_BODY)
async def test_ten_megabytes_are_refused(scene: Scene, name: str):
    """The gateway refuses them before, by a problem document; a service does not rely on it."""
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    content = b'{"a": "' + b"x" * 10_000_000 + b'"}'

    answer = await scene.send(name, replace(call, body=None), content=content, deliver=False)

    assert answer.status_code == 413, answer.text
    assert changed(before, await scene.picture()) == []


@pytest.mark.parametrize("name", [each for each in ALL if operations()[each].parameters("query")])
async def test_every_query_parameter_refuses_what_it_must_not_take(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    faults = []
    for parameter, schema in operations()[name].parameters("query").items():
        for value in wrong_parameters(schema):
            told = replace(call, query=call.query | {parameter: value})
            answer = await scene.send(name, told)
            statuses = {400, 422} if parameter == "cursor" else {422}
            found = faults_of(answer, statuses, (parameter,))
            faults += [f"{parameter}={value!r:.40}: {fault}" for fault in found]

    assert faults == []


@pytest.mark.parametrize("name", [each for each in ALL if not operations()[each].is_public])
async def test_a_parameter_that_an_operation_does_not_take_is_refused(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    told = replace(call, query=call.query | {"misspelt": "1"})

    answer = await scene.send(name, told, deliver=False)

    assert faults_of(answer, {422}, ("misspelt",)) == []
    assert changed(before, await scene.picture()) == []


IN_PATHS = [
    name
    for name in ALL
    if any("uuid" in str(each) for each in operations()[name].parameters("path").values())
]


@pytest.mark.parametrize("name", IN_PATHS)
async def test_what_is_no_id_in_a_path_is_refused(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    faults = []
    for parameter in call.path:
        for value in ("not-an-id", "5", "%00", "a" * 500):
            told = replace(call, path=call.path | {parameter: value})
            answer = await scene.send(name, told, headers={"If-Match": '"v1"'}, deliver=False)
            found = faults_of(answer, {422}, (parameter,))
            faults += [f"{parameter}={value!r:.40}: {fault}" for fault in found]

    assert faults == []
    assert changed(before, await scene.picture()) == []


@pytest.mark.parametrize("name", [each for each in ALL if operations()[each].needs_version])
async def test_a_version_is_named_as_it_was_answered(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    before = await scene.picture()
    malformed = ("v1", "*", 'W/"v1"', '"v1", "v2"', '"x"', '"v0"', '"v01"')
    tags = {'"v999999"': 412} | dict.fromkeys(malformed, 400)
    faults = []
    for tag, status in tags.items():
        answer = await scene.send(name, call, headers={"If-Match": tag}, deliver=False)
        places = ("If-Match",) if status == 400 else ()
        faults += [f"{tag}: {fault}" for fault in faults_of(answer, {status}, places)]
    long = await scene.send(name, call, headers={"If-Match": "x" * 101}, deliver=False)
    faults += faults_of(long, {422}, ("If-Match", "if-match"))
    none = await scene.whole.request(
        operations()[name].method,
        operations()[name].path.format(**call.path),
        json=call.body,
        headers={"Authorization": f"Bearer {await scene.token(scene.keeper)}"},
    )
    faults += faults_of(none, {428}, ())

    assert faults == []
    assert changed(before, await scene.picture()) == []


@pytest.mark.parametrize("name", [each for each in ALL if operations()[each].takes_key])
async def test_a_key_is_good_for_one_body(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    faults = []
    for key in ("", "x" * 256, "two words", "\xfc".encode("latin-1")):
        answer = await scene.send(name, call, headers={"Idempotency-Key": key}, deliver=False)
        found = faults_of(answer, {400}, ("Idempotency-Key",))
        faults += [f"key {key!r:.20}: {fault}" for fault in found]
    key = {"Idempotency-Key": str(uuid4())}
    first = await scene.send(name, call, headers=key)
    before = await scene.picture()
    again = await scene.send(name, call, headers=key)
    # Another body is other bytes, whether or not they say the same.
    takes_none = name in WITHOUT_BODY
    content = json.dumps(call.body, indent=2).encode() if call.body else b'{"note": "Another"}'
    content = b"{}" if takes_none else content
    other = replace(call, body=None, form={})
    refused = await scene.send(name, other, headers=key, content=content)

    assert faults == []
    assert first.is_success, first.text
    assert (again.status_code, again.content) == (first.status_code, first.content), again.text
    assert again.headers["idempotency-replayed"] == "true"
    assert faults_of(refused, {422}, ("Idempotency-Key",)) == []
    assert changed(before, await scene.picture()) == []


def forged(scene: Scene) -> dict[str, str]:
    """Tokens that nobody may come in with."""
    claims = claims_for(scene.keeper, scene.id, epoch=1_000)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header = {"kid": "tests", "typ": "at+jwt"}
    return {
        "signed by another key": jwt.encode(claims, stranger, "RS256", headers=header),
        "not signed": jwt.encode(claims, None, "none", headers=header),
        "signed by a secret": jwt.encode(claims, "x" * 64, "HS256", headers=header),
        "expired": signed(claims | {"iat": 1_000_000_000, "exp": 1_000_000_300}),
        "for another audience": signed(claims | {"aud": "somebody"}),
        "from another issuer": signed(claims | {"iss": "http://elsewhere.test"}),
        "of another type": signed(claims, typ="JWT"),
        "by an unknown key": signed(claims, kid="unknown"),
        "without a person": signed({each: claims[each] for each in claims if each != "sub"}),
        "for a year": signed(claims | {"exp": claims["iat"] + 31_536_000}),
        "cut short": signed(claims)[:-5],
        "with a claim changed": _altered(signed(claims)),
    }


def _altered(token: str) -> str:
    head, body, signature = token.split(".")
    return ".".join((head, body[:-4] + ("AAAA" if body[-4:] != "AAAA" else "BBBB"), signature))


@pytest.mark.parametrize("path", ["/v1/me", "/v1/objectives", "/v1/feedback"])
async def test_a_forged_token_is_refused(scene: Scene, path: str):
    faults = []
    for why, token in forged(scene).items():
        headers = {"Authorization": f"Bearer {token}"}
        answer = await scene.whole.request("GET", path, headers=headers)
        faults += [f"{why}: {fault}" for fault in faults_of(answer, {401}, ())]

    assert faults == []


Contradiction = Callable[[Scene], Any]


async def _days_in_order(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["create_cycle"](scene.standing())
    days = {"starts_on": "2026-03-01", "ends_on": "2026-02-01"}
    return "create_cycle", replace(call, body=call.body | days), "/ends_on"


async def _instants_in_order(scene: Scene) -> tuple[str, Call, str]:
    span = {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    return "list_audit_events", Call(query=span), "to"


async def _end_of_the_calendar(scene: Scene) -> tuple[str, Call, str]:
    """A day later there is no day: every fold of the organization would fail."""
    call = await CALLS["create_cycle"](scene.standing())
    return "create_cycle", replace(call, body=call.body | {"ends_on": "9999-12-31"}), "/ends_on"


async def _beginning_of_the_calendar(scene: Scene) -> tuple[str, Call, str]:
    """East of Greenwich it begins before the first day of UTC."""
    call = await CALLS["create_cycle"](scene.standing())
    return "create_cycle", replace(call, body=call.body | {"starts_on": "0001-01-01"}), "/starts_on"


async def _days_around(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["create_cycle"](scene.standing())
    days = {"starts_on": "2025-12-01", "ends_on": "2026-02-01"}
    return "create_cycle", replace(call, body=call.body | days), "/starts_on"


async def _cycle_below_itself(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["create_cycle"](scene.standing())
    outer = await scene.done("create_cycle", call)
    inner = await scene.done(
        "create_cycle", replace(call, body=call.body | {"parent_id": outer["id"]})
    )
    return "update_cycle", Call({"cycle_id": outer["id"]}, {"parent_id": inner["id"]}), "/parent_id"


async def _unit_below_itself(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["create_unit"](scene.standing())
    outer = await scene.done("create_unit", call)
    below = {"name": f"Unit {uuid4()}", "parent_id": outer["id"]}
    inner = await scene.done("create_unit", Call(body=below))
    return "update_unit", Call({"unit_id": outer["id"]}, {"parent_id": inner["id"]}), "/parent_id"


async def _manager_of_oneself(scene: Scene) -> tuple[str, Call, str]:
    manager = await scene.person()
    report = await scene.person(manager_id=manager)
    call = Call({"person_id": str(manager)}, {"manager_id": str(report)})
    return "update_person", call, "/manager_id"


async def _measured_tomorrow(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["record_check_in"](scene.standing())
    body = {"value": 3, "measured_at": "2126-01-01T00:00:00Z"}
    return "record_check_in", replace(call, body=body), "/measured_at"


async def _nothing_measured(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["record_check_in"](scene.standing())
    return "record_check_in", replace(call, body={}), "/value"


async def _no_way_to_go(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["add_key_result"](scene.standing())
    body = {name: value for name, value in call.body.items() if name != "target_value"}
    return "add_key_result", replace(call, body=body), "/target_value"


async def _money_of_no_country(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["add_key_result"](scene.standing())
    body = call.body | {"unit_of_measure": "currency"}
    return "add_key_result", replace(call, body=body), "/currency"


async def _asked_oneself(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["create_feedback_request"](scene.standing())
    body = call.body | {"recipient_ids": [str(scene.keeper)]}
    return "create_feedback_request", replace(call, body=body), "/recipient_ids/0"


async def _due_yesterday(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["create_feedback_request"](scene.standing())
    body = call.body | {"due_on": "2020-01-01"}
    return "create_feedback_request", replace(call, body=body), "/due_on"


async def _simple_password(scene: Scene) -> tuple[str, Call, str]:
    call = await CALLS["change_password"](scene.standing())
    return (
        "change_password",
        replace(call, body=call.body | {"new_password": "short"}),
        "/new_password",
    )


@pytest.mark.parametrize(
    "contradiction",
    [
        _days_in_order,
        _instants_in_order,
        _beginning_of_the_calendar,
        _end_of_the_calendar,
        _days_around,
        _cycle_below_itself,
        _unit_below_itself,
        _manager_of_oneself,
        _measured_tomorrow,
        _nothing_measured,
        _no_way_to_go,
        _money_of_no_country,
        _asked_oneself,
        _due_yesterday,
        _simple_password,
    ],
)
async def test_what_does_not_go_together_is_refused(scene: Scene, contradiction: Contradiction):
    name, call, place = await contradiction(scene)
    await scene.fold()
    before = await scene.picture()

    answer = await scene.send(name, call, deliver=False)

    assert faults_of(answer, {422}, (place,)) == []
    assert changed(before, await scene.picture()) == []


async def test_a_goal_below_itself_is_refused(scene: Scene):
    at = scene.standing()
    outer, inner = await at.active_objective(), await at.active_objective()
    link = {"kind": "objective", "id": outer, "link": "contributes"}
    await scene.done("create_alignment", Call({"objective_id": inner}, link))
    await scene.fold()
    before = await scene.picture()

    back = Call({"objective_id": outer}, link | {"id": inner})
    answer = await scene.send("create_alignment", back, deliver=False)

    assert faults_of(answer, {409}, ()) == []
    assert changed(before, await scene.picture()) == []


async def test_bad_input_that_is_taken_is_seen(scene: Scene):
    """A negative control: the checks find fault with an answer that is no refusal."""
    call = await CALLS["create_unit"](scene.standing())
    before = await scene.picture()

    answer = await scene.send("create_unit", call)

    assert faults_of(answer, {422}, ("/name",)) != []
    assert changed(before, await scene.picture()) != []


async def test_a_refusal_that_names_nothing_is_seen(scene: Scene):
    """A negative control: the right status alone is not enough."""
    answer = await scene.send("create_unit", Call(body={"name": "Without a parent"}))

    assert faults_of(answer, {422}, ("/parent_id",)) == []
    assert faults_of(answer, {422}, ("/name",)) != []
