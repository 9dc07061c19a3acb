"""Every operation of the served document is called as the document allows and forbids it.

Schemathesis makes the calls and judges the answers: no 5xx, only statuses, headers and bodies that
the document tells of, what is wrong refused, what is right taken, other methods 405.
"""

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import requests

from tests.support.companies import stand
from tests.support.fuzzing import Target
from tests.support.generating import operations_in, served_at, without_tokens
from tests.support.live_scene import LiveScene, new_live_scene
from tests.support.operations import operations

pytestmark = pytest.mark.xdist_group("journeys-fuzzed")
# What is generated signs in wrongly and often, from one address.
UNLIMITED = {
    f"CAIRN_GATEWAY_{limit}_PER_MINUTE": "0"
    for limit in ("REQUESTS", "ANONYMOUS", "FAILED_SIGN_INS")
}

_MADE_UP = "nobody can make one up: it is sealed, or known to one person"
_OTHERS = "what it may be hangs on another field"
_THINGS = "what it may be hangs on what is there, or on what day it is"
_TWICE = "the same name was drawn twice"
_FIRST = "a made-up id in the path, or the body, is refused first, which tells no less"
# (what schemathesis calls it, what the answer blames) → why it is no fault. One that no answer
# needs any more fails below.
ACCEPTED: dict[tuple[str, str], str] = {
    ("RejectedPositiveData", "cursor"): _MADE_UP,
    ("RejectedPositiveData", "sign-in-refused"): _MADE_UP,
    ("RejectedPositiveData", "refresh-token-is-over"): _MADE_UP,
    ("RejectedPositiveData", "/current_password"): _MADE_UP,
    ("RejectedPositiveData", "/password"): "no pattern says what is too easily guessed",
    ("RejectedPositiveData", "/new_password"): "no pattern says what is too easily guessed",
    ("RejectedPositiveData", "/currency"): _OTHERS,
    ("RejectedPositiveData", "/unit_label"): _OTHERS,
    ("RejectedPositiveData", "/unit_id"): _OTHERS,
    ("RejectedPositiveData", "/file"): "the files are sent as `file` or as `files`: one is needed",
    ("RejectedPositiveData", "/value"): _THINGS,
    ("RejectedPositiveData", "/milestones_done"): _THINGS,
    ("RejectedPositiveData", "/due_on"): _THINGS,
    ("RejectedPositiveData", "/starts_on"): _THINGS,
    ("RejectedPositiveData", "/role"): _THINGS,
    ("RejectedPositiveData", "/pillar_id"): _THINGS,
    ("RejectedPositiveData", "not-wider"): _THINGS,
    ("RejectedPositiveData", "unit-name-is-taken"): _TWICE,
    ("RejectedPositiveData", "email-is-taken"): _TWICE,
    ("AcceptedNegativeData", "202"): "a form holds text: nothing in it is wrong by its type",
    ("MissingHeaderNotRejected", "objective_id"): _FIRST,
    ("MissingHeaderNotRejected", "link_id"): _FIRST,
    ("MissingHeaderNotRejected", "key_result_id"): _FIRST,
    ("MissingHeaderNotRejected", "feedback_id"): _FIRST,
    ("MissingHeaderNotRejected", "assignment_id"): _FIRST,
    ("MissingHeaderNotRejected", "person_id"): _FIRST,
    ("MissingHeaderNotRejected", "cycle_id"): _FIRST,
    ("MissingHeaderNotRejected", "unit_id"): _FIRST,
    ("MissingHeaderNotRejected", "request_id"): _FIRST,
    ("MissingHeaderNotRejected", "/time_zone"): _FIRST,
    ("UnsupportedMethodResponse", "bad-request"): "the gateway refuses a GET with a body first",
    ("UnsupportedMethodResponse", "unauthenticated"): "DELETE of the session of that name",
    ("UseAfterFree", "not-overridden"): "an override ends; its objective is there as before",
    ("UseAfterFree", "204"): "sessions that are over may be ended again",
}


@dataclass
class Ground:
    """A product of its own with one organization in it, and what its gateway serves."""

    scene: LiveScene
    address: str
    session: requests.Session

    async def tried(self, name: str, document: dict[str, Any]) -> Target:
        """An operation, called and judged by a document."""
        served, unsigned = operations_in(document), operations_in(without_tokens(document))
        target = Target(self.scene, served[name], self.address, self.session)
        return await target.tried(unsigned[name])


@pytest_asyncio.fixture(scope="module")
async def ground() -> AsyncIterator[Ground]:
    with stand(**UNLIMITED) as standing, requests.Session() as session:
        yield Ground(await new_live_scene(standing), standing.cairn.address, session)


@pytest.fixture(scope="module")
def document(ground: Ground) -> dict[str, Any]:
    return served_at(ground.address)


@pytest_asyncio.fixture(scope="module")
async def tried(ground: Ground, document: dict[str, Any]) -> dict[str, Target]:
    """Every operation of the document by its name; each has succeeded at least once."""
    return {name: await ground.tried(name, document) for name in operations_in(document)}


def faults_of(target: Target) -> list[str]:
    """What is wrong with the answers, apart from what is accepted."""
    return [
        str(fault)
        for fault in target.faults
        if any((fault.name, place) not in ACCEPTED for place in fault.places)
    ]


@pytest.mark.parametrize("name", sorted(operations()))
def test_an_operation_does_what_the_document_says(tried: dict[str, Target], name: str):
    assert sum(tried[name].statuses.values()) > 3, "it was called"
    assert faults_of(tried[name]) == []


def test_every_exception_is_needed(tried: dict[str, Target]):
    met = {
        (fault.name, place)
        for target in tried.values()
        for fault in target.faults
        for place in fault.places
    }

    assert ACCEPTED.keys() - met == set()


async def test_control_a_document_that_promises_something_else_is_seen(
    ground: Ground, document: dict[str, Any]
):
    """Another type of a member, and a status that is not told of."""
    wrong = copy.deepcopy(document)
    wrong["components"]["schemas"]["MeView"]["properties"]["email"] = {"type": "integer"}
    del wrong["paths"]["/v1/me"]["get"]["responses"]["401"]

    faults = (await ground.tried("get_me", wrong)).faults

    assert {"JsonSchemaError", "UndefinedStatusCode"} <= {fault.name for fault in faults}
