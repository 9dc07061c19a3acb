"""Each rule of reading says the same of one row and of a list."""

from dataclasses import replace
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from kernel import database
from kernel.authorization import Principal
from kernel.ids import uuid7
from kernel.pagination import Page
from services.feedback.directory.models import DirectoryPerson, Goal, Subject
from services.feedback.requests import policy, queries
from services.feedback.requests.models import Feedback, FeedbackRecipient, FeedbackRequest
from services.feedback.requests.rules import Audience
from tests.support.principals import principal

PEOPLE = 5
"""Few, so that who owns, manages, asks, answers and reads is often the same."""
somebody = st.integers(0, PEOPLE - 1)
anybody = st.none() | somebody
several = st.lists(somebody, max_size=2, unique=True)
visibility = st.sampled_from(list(Audience))
state = st.sampled_from(["active", "active", "draft", "deleted"])

objectives = st.fixed_dictionaries(
    {
        "owner": anybody,
        "contributors": several,
        "viewers": several,
        "is_public": st.booleans(),
        "state": state,
        "is_told": st.sampled_from([True, True, True, False]),
    }
)
subjects = st.fixed_dictionaries(
    {"owner": anybody, "is_key_result": st.booleans(), "state": state, "below": st.integers(0, 1)}
)
words = st.fixed_dictionaries(
    {
        "author": somebody,
        "asker": anybody,
        "recipients": st.lists(somebody, min_size=1, max_size=2, unique=True),
        "visibility": visibility,
        "about": st.integers(0, 2),
    }
)
worlds = st.fixed_dictionaries(
    {
        "managers": st.tuples(*(st.none() | st.integers(0, n - 1) for n in range(1, PEOPLE))),
        "objectives": st.lists(objectives, min_size=2, max_size=2),
        "subjects": st.lists(subjects, min_size=3, max_size=3),
        "words": st.lists(words, min_size=1, max_size=4),
        "reader": somebody,
    }
)


class Small:
    """One drawn world: its rows, and what the rules say of each by value."""

    def __init__(self, drawn: dict) -> None:
        self.drawn = drawn
        self.people = [uuid7() for _ in range(PEOPLE)]
        self.chains: list[list[UUID]] = [[]]
        for manager in drawn["managers"]:
            chain = [] if manager is None else [self.people[manager], *self.chains[manager]]
            self.chains.append(chain)
        self.objectives = [self._objective(values) for values in drawn["objectives"]]
        self.key_results = [self._key_result(values) for values in drawn["subjects"]]
        self.requests: list[tuple[FeedbackRequest, Subject | None]] = []
        self.feedback: list[tuple[Feedback, Subject | None]] = []
        for values in drawn["words"]:
            self._write(values)

    def person(self, index: int | None) -> UUID | None:
        return None if index is None else self.people[index]

    def reader(self) -> Principal:
        me = self.people[self.drawn["reader"]]
        below = [p for p, chain in zip(self.people, self.chains, strict=True) if me in chain]
        actor = principal("feedback.give@org", "feedback.request@org", person_id=me)
        return replace(actor, authority=replace(actor.authority, reports=frozenset(below)))

    def _objective(self, values: dict) -> Goal:
        goal_id = uuid7()
        return Goal(
            id=goal_id,
            kind="objective",
            objective_id=goal_id,
            title="",
            level="unit",
            unit_id=uuid7(),
            owner_id=self.person(values["owner"]),
            contributor_ids=[self.people[n] for n in values["contributors"]],
            visibility="public" if values["is_public"] else "private",
            viewer_ids=[self.people[n] for n in values["viewers"]],
            state=values["state"],
            version=1,
        )

    def _key_result(self, values: dict) -> Goal:
        # Its own words about privacy invite everybody: they must not count.
        return Goal(
            id=uuid7(),
            kind="key_result",
            objective_id=self.objectives[values["below"]].id,
            title="",
            level="unit",
            unit_id=uuid7(),
            owner_id=self.person(values["owner"]),
            contributor_ids=list(self.people),
            visibility="public",
            viewer_ids=list(self.people),
            state=values["state"],
            version=1,
        )

    def _is_told(self, objective: Goal) -> bool:
        return self.drawn["objectives"][self.objectives.index(objective)]["is_told"]

    def _about(self, number: int) -> tuple[Goal, Subject | None]:
        """A goal, and what policies know of it; None where its objective has not come yet."""
        drawn = self.drawn["subjects"][number]
        objective = self.objectives[drawn["below"]]
        goal = self.key_results[number] if drawn["is_key_result"] else objective
        if not self._is_told(objective):
            return self.key_results[number], None
        owner_id = goal.owner_id or objective.owner_id
        chain = [] if owner_id is None else self.chains[self.people.index(owner_id)]
        return goal, Subject(
            id=goal.id,
            kind=goal.kind,
            state=goal.state,
            level="unit",
            unit_id=goal.unit_id,
            contributor_ids=goal.contributor_ids,
            owner_id=owner_id,
            owner_manager_id=chain[0] if chain else None,
            objective_id=objective.id,
            objective_state=objective.state,
            objective_owner_id=objective.owner_id,
            objective_contributor_ids=objective.contributor_ids,
            visibility=objective.visibility,
            viewer_ids=objective.viewer_ids,
        )

    def _write(self, values: dict) -> None:
        goal, subject = self._about(values["about"])
        asker = self.person(values["asker"])
        request = None
        if asker is not None:
            request = FeedbackRequest(
                subject_kind=goal.kind,
                subject_id=goal.id,
                asked_by_id=asker,
                question="x",
                visibility=values["visibility"].value,
                due_on=None,
                recipients=[
                    FeedbackRecipient(person_id=self.people[n], position=position)
                    for position, n in enumerate(values["recipients"])
                ],
            )
            self.requests.append((request, subject))
        written = Feedback(
            subject_kind=goal.kind,
            subject_id=goal.id,
            author_id=self.people[values["author"]],
            body="x",
            visibility=values["visibility"].value,
            request_id=request.id if request else None,
            asked_by_id=asker,
        )
        self.feedback.append((written, subject))

    def rows(self) -> list[list[object]]:
        """In the order of their foreign keys."""
        people = [
            DirectoryPerson(
                id=person_id,
                title="",
                manager_id=chain[0] if chain else None,
                manager_chain=chain,
                main_unit_id=uuid7(),
                unit_ids=[],
                assignments=[],
                epoch=1,
                is_active=True,
                version=1,
            )
            for person_id, chain in zip(self.people, self.chains, strict=True)
        ]
        told = [objective for objective in self.objectives if self._is_told(objective)]
        requests = [request for request, _ in self.requests]
        return [[*people, *told, *self.key_results], requests, [row for row, _ in self.feedback]]


@given(drawn=worlds)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_lists_show_exactly_what_the_rules_allow_of_each_row(app, drawn):
    small = Small(drawn)
    actor = small.reader()
    readable_requests = {
        request.id
        for request, goal in small.requests
        if goal is not None and policy.may_read_request(actor, request, goal)
    }
    readable_feedback = {
        written.id
        for written, goal in small.feedback
        if goal is not None and policy.may_read_feedback(actor, written, goal)
    }
    page = Page(200, None, str)

    async with database.new_session(app.state.runtime.engine, actor.organization_id) as session:
        for rows in small.rows():
            session.add_all(rows)
            await session.flush()
        listed_requests = await queries.request_page(
            session,
            actor,
            page,
            asked_by_me=None,
            asked_of_me=None,
            subject_id=None,
            state=None,
            words=None,
        )
        listed_feedback = await queries.feedback_page(session, actor, page)
        await session.rollback()

    assert {item.id for item in listed_requests.items} == readable_requests
    assert {item.id for item in listed_feedback.items} == readable_feedback


def test_the_drawn_worlds_hold_what_is_seen_and_what_is_hidden():
    """The property above is not empty: both answers occur, for requests and for feedback."""
    found = set()

    @given(drawn=worlds)
    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    def look(drawn):
        small = Small(drawn)
        actor = small.reader()
        for request, goal in small.requests:
            found.add(("request", bool(goal and policy.may_read_request(actor, request, goal))))
        for written, goal in small.feedback:
            found.add(("feedback", bool(goal and policy.may_read_feedback(actor, written, goal))))

    look()

    assert found == {(kind, seen) for kind in ("request", "feedback") for seen in (True, False)}


async def test_rows_of_another_organization_are_not_even_there(app):
    async with database.new_session(app.state.runtime.engine, uuid7()) as session:
        for table in (Goal, FeedbackRequest, Feedback):
            assert (await session.scalars(select(table))).all() == []
