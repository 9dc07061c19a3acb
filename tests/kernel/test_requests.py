"""One request, one transaction; what a client did wrong is named; keys have one effect."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from kernel import database, inbox
from kernel.bodies import members_of
from kernel.idempotency import IDEMPOTENCY_KEY, Attempt
from kernel.outbox import OUTBOX
from tests.kernel import toy
from tests.kernel.conftest import known
from tests.support.principals import principal
from tests.support.tokens import claims_for, headers_for, signed


class CountedName(str):
    """A name that counts how often any of its kind is compared."""

    comparisons = 0
    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        CountedName.comparisons += 1
        return str.__eq__(self, other)


async def names(client, caller):
    answer = await client.get("/v1/things", headers=headers_for(caller))
    return [item["name"] for item in answer.json()["items"]]


async def test_a_made_thing_is_there_and_audited_once(client, maker, engine):
    answer = await client.post("/v1/things", json={"name": "one"}, headers=headers_for(maker))

    assert answer.status_code == 201
    assert await names(client, maker) == ["one"]
    async with engine.connect() as connection:
        rows = (await connection.execute(OUTBOX.select())).all()
    mine = [row for row in rows if row.organization_id == maker.organization_id]
    assert [row.payload["action"] for row in mine] == ["thing.created"]


MIB = 1024 * 1024


async def parts(total):
    for _ in range(total // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize(("path", "limit"), [("/v1/things", 1), ("/internal/events", 25)])
async def test_a_body_that_is_too_large_is_a_problem_like_any_other(
    client, maker, path, limit, is_declared
):
    headers = headers_for(maker) | {"X-Request-Id": "r1", "Content-Type": "application/json"}
    body = b"x" * (limit * MIB + 1) if is_declared else parts((limit + 1) * MIB)

    answer = await client.post(path, content=body, headers=headers)

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("/too-large")
    assert answer.json()["request_id"] == "r1"


async def test_a_body_up_to_the_limit_is_read(client, maker):
    """The control: what is wrong with this one is its text, not its size."""
    headers = headers_for(maker) | {"Content-Type": "application/json"}

    answer = await client.post("/v1/things", content=b"x" * MIB, headers=headers)

    assert answer.status_code == 422


async def test_a_refused_request_leaves_nothing(client, maker):
    outsider = known(principal(organization_id=maker.organization_id))

    answer = await client.post("/v1/things", json={"name": "x"}, headers=headers_for(outsider))

    assert answer.status_code == 403
    assert answer.json()["detail"] == "You may not make things."
    assert await names(client, maker) == []


@pytest.mark.parametrize("path", ["/v1/things", "/v1/things/fault"])
async def test_without_a_token_it_is_401_even_with_a_broken_body(client, path):
    answer = await client.post(path, json={"wrong": 1})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["If-Match", "Idempotency-Key"])
async def test_without_a_token_it_is_401_even_with_a_broken_header(client, maker, header):
    broken = {header: "no tag and no key"}
    method = "PATCH" if header == "If-Match" else "POST"
    path = f"/v1/things/{maker.person_id}" if header == "If-Match" else "/v1/things"

    async def call(**extra):
        return await client.request(method, path, json={"name": "x"}, headers=broken | extra)

    assert (await call()).status_code == 401
    assert (await call(**headers_for(maker))).status_code == 400


async def test_another_method_is_told_all_that_the_path_takes(client, maker):
    answer = await client.put(f"/v1/things/{maker.person_id}", headers=headers_for(maker))

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH")
    assert answer.json()["type"].endswith("/method-not-allowed")
    assert answer.json()["status"] == 405
    beside = await client.put("/v1/things/count", headers=headers_for(maker))
    assert beside.headers["allow"] == "GET, PATCH"
    internal = await client.put("/internal/events")
    assert (internal.status_code, internal.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("keys", [{}, {"Idempotency-Key": "k"}], ids=["", "with a key"])
async def test_whoever_has_no_token_has_nothing_read(client, maker, keys):
    parts = []

    async def body():
        parts.append(b'{"name": "a"}')
        yield parts[-1]

    sent = {"Content-Type": "application/json"} | keys
    answer = await client.post("/v1/things", content=body(), headers=sent)
    assert (answer.status_code, parts) == (401, [])

    answer = await client.post("/v1/things", content=body(), headers=sent | headers_for(maker))
    assert (answer.status_code, len(parts)) == (201, 1), "the control: somebody's body is read"


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        (b'{"name": "a", "extra": 1}', "/extra", "no field"),
        (b"{}", "/name", "required"),
        (b'{"name": 7}', "/name", "string"),
        (b'{"name": "a\\u0000b"}', "/name", "control"),
        (b'{"name": "   "}', "/name", "blank"),
        (b'{"name": "a", "amount": true}', "/amount", "JSON number"),
        (b'{"name": "a", "amount": "1"}', "/amount", "JSON number"),
        (b'{"name": "a", "amount": 1e30}', "/amount", "significant"),
        (b'{"name": "a", "amount": 0.0000001}', "/amount", "decimals"),
        (b'{"name": "a", "amount": NaN}', "", "NaN"),
        (b'{"name": "a", "amount": -Infinity}', "", "Infinity"),
        (b'{"name": "a", "name": "b"}', "", "twice"),
        (b'{"name": ', "", "JSON"),
        (b"", "", "send a JSON object"),
        (b"[]", "", "send a JSON object"),
        (b"null", "", "leave it out"),
        (b"\xff\xfe", "", "UTF-8"),
        (b"[" * 100 + b"]" * 100, "", "nested"),
        (b'{"a": ' * 100 + b"1" + b"}" * 100, "", "nested"),
        (b'{"name": "a", "amount": 1e400}', "/amount", "finite"),
        (b'{"name": "a", "amount": ' + b"9" * 5000 + b"}", "", "digits"),
    ],
)
async def test_a_wrong_field_is_named_with_its_fix(client, maker, body, pointer, words):
    headers = headers_for(maker) | {"Content-Type": "application/json"}

    answer = await client.post("/v1/things", content=body, headers=headers)

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert await names(client, maker) == []


async def test_a_body_without_its_media_type_is_told_which_to_send(client, maker):
    headers = headers_for(maker) | {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await client.post("/v1/things", content=b'{"name": "a"}', headers=headers)

    (error,) = answer.json()["errors"]
    assert error["pointer"] == ""
    assert "`Content-Type: application/json`" in error["detail"]


async def test_a_wrong_parameter_is_named(client, maker):
    answer = await client.get("/v1/things?limit=201", headers=headers_for(maker))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "limit"


@pytest.mark.parametrize(
    ("query", "parameter", "words"),
    [
        ("limt=5", "limt", "no parameter of this operation"),
        ("limit=5&sort=name", "sort", "no parameter of this operation"),
        ("limit=5&limit=6", "limit", "more than once"),
    ],
)
async def test_a_parameter_that_is_not_taken_is_refused(client, maker, query, parameter, words):
    """It would otherwise be a filter that filters nothing."""
    answer = await client.get(f"/v1/things?{query}", headers=headers_for(maker))

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["parameter"] == parameter
    assert words in error["detail"]


async def test_a_parameter_that_is_not_taken_changes_nothing(client, maker):
    headers = headers_for(maker)

    answer = await client.post("/v1/things?dry_run=1", json={"name": "one"}, headers=headers)

    assert answer.status_code == 422
    assert await names(client, maker) == []


async def test_an_expired_token_is_told_how_to_get_the_next(client, maker):
    claims = claims_for(maker.person_id, maker.organization_id)
    expired = signed(claims | {"iat": claims["iat"] - 600, "exp": claims["exp"] - 600})

    answer = await client.get("/v1/things", headers={"Authorization": f"Bearer {expired}"})

    assert answer.status_code == 401
    assert "/v1/sessions/refresh" in answer.json()["detail"]


async def test_without_a_token_parameters_do_not_matter(client):
    assert (await client.get("/v1/things?limt=5")).status_code == 401


async def test_an_unknown_path_is_a_problem_document(client):
    answer = await client.get("/v1/nothing")

    assert (answer.status_code, answer.json()["title"]) == (404, "Not found")


async def test_a_fault_of_the_program_says_nothing_of_itself(client, maker):
    answer = await client.post("/v1/things/fault", headers=headers_for(maker))

    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert answer.json()["request_id"]


async def test_an_edit_needs_the_version_it_was_made_against(client, maker):
    made = await client.post("/v1/things", json={"name": "old"}, headers=headers_for(maker))
    path = f"/v1/things/{made.json()['id']}"

    async def rename(**extra):
        headers = headers_for(maker) | extra
        return await client.patch(path, json={"name": "new"}, headers=headers)

    assert (await rename()).status_code == 428
    assert (await rename(**{"If-Match": "v1"})).status_code == 400
    assert (await rename(**{"If-Match": '"v7"'})).status_code == 412
    done = await rename(**{"If-Match": '"v1"'})
    assert (done.status_code, done.headers["etag"]) == (200, '"v2"')
    read = await client.get(path, headers=headers_for(maker))
    assert read.headers["etag"] == '"v2"'


async def test_another_tenants_thing_does_not_exist(client, maker, stranger):
    made = await client.post("/v1/things", json={"name": "mine"}, headers=headers_for(maker))
    path = f"/v1/things/{made.json()['id']}"

    answer = await client.get(path, headers=headers_for(stranger))

    assert answer.status_code == 404
    assert await names(client, stranger) == []


async def test_pages_are_complete_and_cursors_belong_to_their_list(client, maker, stranger):
    for number in range(5):
        await client.post("/v1/things", json={"name": f"n{number}"}, headers=headers_for(maker))
    seen, cursor = [], None
    while True:
        query = "?limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = (await client.get("/v1/things" + query, headers=headers_for(maker))).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"] or cursor
        if page["next_cursor"] is None:
            break

    assert seen == [f"n{number}" for number in range(5)]
    for path, caller in (
        (f"/v1/things?cursor={cursor}", stranger),
        (f"/v1/things/newest-first?cursor={cursor}", maker),
        (f"/v1/things?cursor={cursor[:-2]}xx", maker),
        (f"/v1/things?name=n1&cursor={cursor}", maker),
        ("/v1/things?cursor=!", maker),
    ):
        assert (await client.get(path, headers=headers_for(caller))).status_code == 400


async def test_the_same_key_has_one_effect_and_one_answer(client, maker):
    headers = headers_for(maker) | {"Idempotency-Key": "k1"}

    first = await client.post("/v1/things", json={"name": "once"}, headers=headers)
    second = await client.post("/v1/things", json={"name": "once"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert await names(client, maker) == ["once"]


async def test_the_same_key_works_on_the_hot_gear(client, maker):
    headers = headers_for(maker) | {"Idempotency-Key": "k1"}

    answers = [
        await client.post("/v1/things/hot", json={"name": "hot"}, headers=headers) for _ in range(3)
    ]

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await names(client, maker) == ["hot"]


async def test_without_a_key_each_request_has_its_effect(client, maker):
    """The negative control of the two tests above."""
    for _ in range(2):
        await client.post("/v1/things/hot", json={"name": "hot"}, headers=headers_for(maker))

    assert await names(client, maker) == ["hot", "hot"]


async def test_a_key_with_another_body_is_refused(client, maker):
    headers = headers_for(maker) | {"Idempotency-Key": "k1"}
    await client.post("/v1/things", json={"name": "a"}, headers=headers)

    answer = await client.post("/v1/things", json={"name": "b"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/repeated-with-another-body")
    assert await names(client, maker) == ["a"]


async def test_a_refusal_is_not_kept(client, maker):
    await client.post("/v1/things", json={"name": "a"}, headers=headers_for(maker))
    headers = headers_for(maker) | {"Idempotency-Key": "k1"}
    refused = await client.post("/v1/things", json={"name": "a"}, headers=headers)
    again = await client.post("/v1/things", json={"name": "b"}, headers=headers)

    assert (refused.status_code, again.status_code) == (409, 201)


async def test_a_repetition_is_authorised_again(client, maker):
    headers = headers_for(maker) | {"Idempotency-Key": "k1"}
    await client.post("/v1/things", json={"name": "a"}, headers=headers)
    known(principal(organization_id=maker.organization_id, person_id=maker.person_id))
    client._transport.app.state.runtime.authorities.forget()

    answer = await client.post("/v1/things", json={"name": "a"}, headers=headers)

    assert answer.status_code == 403


async def test_twins_with_one_key_have_one_effect(client, maker):
    headers = headers_for(maker) | {"Idempotency-Key": "twins"}

    answers = await asyncio.gather(
        *(client.post("/v1/things", json={"name": "t"}, headers=headers) for _ in range(4))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await names(client, maker) == ["t"]


async def test_a_twin_that_takes_long_is_told_to_come_again(client, maker, engine):
    attempt = Attempt(maker.organization_id, maker.person_id, "/v1/things", "k1", b"")
    headers = headers_for(maker) | {"Idempotency-Key": "k1"}
    async with engine.begin() as running:
        await running.execute(select(func.pg_advisory_xact_lock(attempt.lock)))

        answer = await client.post("/v1/things", json={"name": "a"}, headers=headers)

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/still-running")
    assert await names(client, maker) == []
    again = await client.post("/v1/things", json={"name": "a"}, headers=headers)
    assert again.status_code == 201


async def test_what_writes_nothing_keeps_no_answer_and_is_computed_again(client, maker):
    async def found():
        headers = headers_for(maker) | {"Idempotency-Key": "k1"}
        answer = await client.post("/v1/things/search", json={"name": "a"}, headers=headers)
        assert answer.status_code == 200
        return answer.json()["amount"]

    before = await found()
    await client.post("/v1/things", json={"name": "a"}, headers=headers_for(maker))

    assert (before, await found()) == (0, 1)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_a_key_must_be_printable_and_short(client, maker, key):
    headers = headers_for(maker) | {"Idempotency-Key": key}

    answer = await client.post("/v1/things", json={"name": "a"}, headers=headers)

    assert answer.status_code == 400


async def test_a_failing_hot_write_leaves_nothing_and_no_tenant_behind(client, maker, stranger):
    answer = await client.post(
        "/v1/things/hot-failure", json={"name": "x"}, headers=headers_for(maker)
    )
    counts = [
        (await client.get("/v1/things/count", headers=headers_for(caller))).json()["amount"]
        for caller in (maker, stranger)
    ]

    assert answer.status_code == 409
    assert counts == [0, 0]


@pytest.fixture
async def refusing_connections(server, engine):
    """The server lets no service into this database, until the end of the test."""
    superuser = await server.connect()
    limit = f'ALTER DATABASE "{engine.url.database}" CONNECTION LIMIT'
    await superuser.execute(f"{limit} 0")
    await engine.dispose()
    yield
    await superuser.execute(f"{limit} -1")
    await superuser.close()


@pytest.mark.parametrize("path", ["/v1/things", "/v1/things/count"], ids=["session", "hot"])
async def test_a_database_that_lets_nobody_in_is_a_503(client, maker, refusing_connections, path):
    answer = await client.get(path, headers=headers_for(maker))

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "The database is busy or away" in answer.json()["detail"]


async def test_events_that_come_while_the_database_lets_nobody_in_are_sent_again_at_once(
    engine, maker, refusing_connections
):
    """One that is merely not taken would wait longer and longer."""
    message = inbox.Message(
        id=1, topic="toy.named.v1", organization_id=maker.organization_id, payload={"name": "n"}
    )

    with pytest.raises(DBAPIError) as refused:
        await inbox.receive(engine, toy.service().subscribers, [message])

    assert database.is_away(refused.value)


async def test_old_keys_are_cleared_away_by_later_ones(client, maker, engine):
    from datetime import timedelta

    from kernel import clock

    await client.post(
        "/v1/things", json={"name": "a"}, headers=headers_for(maker) | {"Idempotency-Key": "old"}
    )
    with clock.frozen_at(clock.now() + timedelta(hours=25)):
        await client.post(
            "/v1/things",
            json={"name": "b"},
            headers=headers_for(maker) | {"Idempotency-Key": "new"},
        )
    async with database.transaction(engine, maker.organization_id) as session:
        kept = (await session.execute(IDEMPOTENCY_KEY.select())).all()
    assert [row.key for row in kept] == ["new"]


def test_a_name_sent_twice_is_found_without_comparing_each_with_every_other():
    sent = [CountedName(f"name {place}") for place in range(2_000)]
    CountedName.comparisons = 0

    with pytest.raises(ValueError, match="name 1999"):
        members_of([(name, 0) for name in [*sent, CountedName("name 1999")]])

    assert CountedName.comparisons < 4 * len(sent)


@pytest.mark.parametrize(("wrong", "named"), [(100, 100), (101, 100)])
async def test_of_many_wrong_fields_the_first_hundred_are_named(client, maker, wrong, named):
    body = {"name": "a"} | {f"extra {place}": 0 for place in range(wrong)}

    answer = await client.post("/v1/things", json=body, headers=headers_for(maker))

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == named
    assert ("the first 100" in answer.json()["detail"]) == (wrong > named)
