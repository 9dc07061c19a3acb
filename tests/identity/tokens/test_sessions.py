"""Sessions from sign-in to their end."""

import asyncio
import base64
import json
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from kernel import clock
from kernel.tokens import TokenVerifier
from services.identity.people import commands as people_commands
from services.identity.people import queries as people
from services.identity.tokens.rules import IDLE_LIFETIME, LONGEST_LIFETIME, MOST_SESSIONS
from tests.support.database import ISSUER
from tests.support.identity import PASSWORD

NEW_PASSWORD = "another password for tests"


def claims_of(access_token: str) -> dict[str, object]:
    body = access_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


async def test_a_sign_in_gives_tokens_as_the_product_describes_them(visitor):
    answer = await visitor.sign_in()

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    issued = answer.json()
    assert set(issued) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 300)
    claims = claims_of(issued["access_token"])
    assert set(claims) == {
        "iss",
        "sub",
        "aud",
        "iat",
        "exp",
        "jti",
        "org",
        "platform",
        "platform_role",
        "assignments",
        "epoch",
        "sid",
    }
    assert claims["exp"] - claims["iat"] == 300
    assert claims["platform_role"] == "administrator"
    assert claims["assignments"][0]["role"] == "administrator"
    assert issued["refresh_token"].startswith(str(visitor.company.id))


async def test_its_own_verifier_takes_what_identity_signs(visitor, live):
    issued = await visitor.signed_in()

    claims = await TokenVerifier(ISSUER, live.state.runtime.keys).verify(issued["access_token"])

    assert claims.organization_id == visitor.company.id


async def test_a_token_names_the_oldest_role_of_the_platform(visitor):
    person_id, email = await visitor.person("product_owner", "workspace_admin")
    await visitor.company.role(person_id, "administrator")

    claims = claims_of((await visitor.signed_in(email))["access_token"])

    assert claims["platform_role"] == "product_owner"
    assert len(claims["assignments"]) == 3


async def test_somebody_without_a_role_signs_in_and_holds_none(visitor):
    _, email = await visitor.person()

    issued = await visitor.signed_in(email)
    me = (await visitor.get("/v1/me", issued["access_token"])).json()

    assert claims_of(issued["access_token"])["platform_role"] == "none"
    assert (me["platform_role"], me["assignments"]) == (None, [])


async def test_a_token_of_somebody_with_every_role_they_may_have_is_taken(visitor):
    person_id, email = await visitor.person()
    for _ in range(30):
        unit_id = await visitor.company.unit()
        await visitor.company.role(person_id, "workspace_admin", unit_id)

    issued = await visitor.signed_in(email)

    assert (await visitor.get("/v1/me", issued["access_token"])).status_code == 200


async def test_an_address_signs_in_in_whatever_case(visitor):
    assert (await visitor.sign_in("Administrator@Company.EXAMPLE")).status_code == 201


async def test_a_refresh_gives_new_tokens_once(visitor):
    first = await visitor.signed_in()

    second = await visitor.refresh(first["refresh_token"])

    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert (
        claims_of(second.json()["access_token"])["sid"] == claims_of(first["access_token"])["sid"]
    )
    assert (await visitor.get("/v1/me", second.json()["access_token"])).status_code == 200


async def test_a_used_refresh_token_ends_the_session(visitor):
    first = await visitor.signed_in()
    second = (await visitor.refresh(first["refresh_token"])).json()

    reused = await visitor.refresh(first["refresh_token"])

    assert reused.status_code == 401
    assert (await visitor.refresh(second["refresh_token"])).status_code == 401
    assert "session.refresh_token_reused" in await visitor.company.audited()


async def test_reuse_ends_no_other_session(visitor):
    first, other = await visitor.signed_in(), await visitor.signed_in()
    await visitor.refresh(first["refresh_token"])
    await visitor.refresh(first["refresh_token"])

    assert (await visitor.refresh(other["refresh_token"])).status_code == 200


async def test_of_twenty_parallel_refreshes_one_wins(visitor):
    token = (await visitor.signed_in())["refresh_token"]

    answers = await asyncio.gather(*(visitor.refresh(token) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    winner = next(answer for answer in answers if answer.status_code == 200)
    # The losers are reuse: the session is in two hands and ends.
    assert (await visitor.refresh(winner.json()["refresh_token"])).status_code == 401


@pytest.mark.parametrize(
    "alter",
    [
        lambda token: token + "=",
        lambda token: token.upper(),
        lambda token: f" {token}",
        lambda token: token.replace(token[:36], str(UUID(int=7))),
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.split(".")[0] + ".",
        lambda token: token.split(".")[0] + "." + "A" * 86,
        lambda _: "nothing",
        lambda _: "é" * 20,
    ],
)
async def test_a_forged_refresh_token_does_nothing_at_all(visitor, alter):
    token = (await visitor.signed_in())["refresh_token"]

    forged = await visitor.refresh(alter(token))

    assert forged.status_code == 401
    assert (await visitor.refresh(token)).status_code == 200


async def test_every_refusal_of_a_refresh_says_the_same(visitor):
    used = await visitor.signed_in()
    await visitor.refresh(used["refresh_token"])
    ended = await visitor.signed_in()
    await visitor.request("DELETE", "/v1/sessions/current", ended["access_token"])

    tokens = ["nothing", used["refresh_token"], ended["refresh_token"]]
    answers = [await visitor.refresh(token) for token in tokens]

    assert len({(answer.status_code, answer.text) for answer in answers}) == 1


async def test_a_session_ends_thirty_days_after_its_last_refresh(visitor):
    token = (await visitor.signed_in())["refresh_token"]

    with clock.frozen_at(clock.now() + IDLE_LIFETIME + timedelta(seconds=1)):
        assert (await visitor.refresh(token)).status_code == 401


async def test_a_session_ends_ninety_days_after_the_sign_in_however_it_is_used(visitor):
    token = (await visitor.signed_in())["refresh_token"]
    began_at = clock.now()
    for days in (25, 50, 75):
        with clock.frozen_at(began_at + timedelta(days=days)):
            token = (await visitor.refresh(token)).json()["refresh_token"]

    with clock.frozen_at(began_at + LONGEST_LIFETIME):
        assert (await visitor.refresh(token)).status_code == 401


async def test_after_a_logout_the_session_is_not_refreshed(visitor):
    issued = await visitor.signed_in()

    ended = await visitor.request("DELETE", "/v1/sessions/current", issued["access_token"])

    assert ended.status_code == 204
    assert (await visitor.refresh(issued["refresh_token"])).status_code == 401
    assert (await visitor.company.audited())[-1] == "session.ended"


async def test_logging_out_everywhere_ends_every_token(visitor):
    issued, other = await visitor.signed_in(), await visitor.signed_in()

    ended = await visitor.request("DELETE", "/v1/sessions", issued["access_token"])

    assert ended.status_code == 204
    for tokens in (issued, other):
        assert (await visitor.get("/v1/me", tokens["access_token"])).status_code == 401
        assert (await visitor.refresh(tokens["refresh_token"])).status_code == 401
    assert (await visitor.sign_in()).status_code == 201


async def test_one_lists_and_ends_ones_own_sessions(visitor):
    here, there = await visitor.signed_in(), await visitor.signed_in()

    listed = (await visitor.get("/v1/sessions", here["access_token"])).json()["items"]
    assert [item["is_current"] for item in listed] == [True, False]
    ended = await visitor.request("DELETE", f"/v1/sessions/{listed[1]['id']}", here["access_token"])

    assert ended.status_code == 204
    assert (await visitor.refresh(there["refresh_token"])).status_code == 401
    listed = (await visitor.get("/v1/sessions", here["access_token"])).json()["items"]
    assert [item["is_current"] for item in listed] == [True]


async def test_nobody_ends_the_session_of_somebody_else(visitor):
    _, email = await visitor.person()
    own, theirs = await visitor.signed_in(), await visitor.signed_in(email)
    session_id = claims_of(theirs["access_token"])["sid"]

    refused = await visitor.request("DELETE", f"/v1/sessions/{session_id}", own["access_token"])

    assert refused.status_code == 404
    assert (await visitor.refresh(theirs["refresh_token"])).status_code == 200


async def test_whoever_manages_somebody_logs_them_out(visitor):
    person_id, email = await visitor.person("product_owner")
    issued = await visitor.signed_in(email)
    administrator = (await visitor.signed_in())["access_token"]
    path = f"/v1/people/{person_id}/sessions"

    assert (await visitor.request("DELETE", path, issued["access_token"])).status_code == 403
    assert (await visitor.request("DELETE", path, administrator)).status_code == 204

    assert (await visitor.get("/v1/me", issued["access_token"])).status_code == 401
    assert (await visitor.refresh(issued["refresh_token"])).status_code == 401
    assert (await visitor.sign_in(email)).status_code == 201


async def test_a_deactivated_person_has_no_way_in(visitor):
    person_id, email = await visitor.person()
    issued = await visitor.signed_in(email)
    administrator = (await visitor.signed_in())["access_token"]

    ended = await visitor.request("POST", f"/v1/people/{person_id}/deactivate", administrator)

    assert ended.is_success, ended.text
    assert (await visitor.get("/v1/me", issued["access_token"])).status_code == 401
    assert (await visitor.refresh(issued["refresh_token"])).status_code == 401
    assert (await visitor.sign_in(email)).status_code == 401


async def test_reactivation_revives_no_session(visitor):
    person_id, email = await visitor.person()
    issued = await visitor.signed_in(email)
    administrator = (await visitor.signed_in())["access_token"]
    for verb in ("deactivate", "reactivate"):
        await visitor.request("POST", f"/v1/people/{person_id}/{verb}", administrator)

    assert (await visitor.refresh(issued["refresh_token"])).status_code == 401
    assert (await visitor.sign_in(email)).status_code == 201


async def test_another_password_ends_all_sessions(visitor):
    issued, other = await visitor.signed_in(), await visitor.signed_in()

    changed = await visitor.client.put(
        "/v1/me/password",
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers={"Authorization": f"Bearer {issued['access_token']}"},
    )

    assert changed.status_code == 204, changed.text
    for tokens in (issued, other):
        assert (await visitor.get("/v1/me", tokens["access_token"])).status_code == 401
        assert (await visitor.refresh(tokens["refresh_token"])).status_code == 401
    assert (await visitor.sign_in()).status_code == 401
    assert (await visitor.sign_in(password=NEW_PASSWORD)).status_code == 201


async def test_a_new_role_ends_access_tokens_and_no_session(visitor):
    person_id, email = await visitor.person()
    issued = await visitor.signed_in(email)

    await visitor.company.role(person_id, "product_owner")

    assert (await visitor.get("/v1/me", issued["access_token"])).status_code == 401
    fresh = (await visitor.refresh(issued["refresh_token"])).json()
    assert claims_of(fresh["access_token"])["platform_role"] == "product_owner"


async def test_a_password_changed_while_the_old_one_is_checked_lets_nobody_in(visitor, monkeypatch):
    person_id, email = await visitor.person()
    from services.identity.people.commands import passwords

    checked = passwords.is_correct

    async def change_after_check(password: str, password_hash: str | None) -> bool:
        answer = await checked(password, password_hash)
        other = await passwords.hashed(NEW_PASSWORD)
        async with visitor.company.session() as session:
            person = await people.person(session, person_id)
            person.password_hash = other
            await people_commands.end_sessions(session, person)
        return answer

    monkeypatch.setattr(passwords, "is_correct", change_after_check)

    assert (await visitor.sign_in(email)).status_code == 401


async def test_beyond_a_hundred_sessions_the_one_used_longest_ago_ends(visitor):
    from sqlalchemy import update

    from services.identity.tokens import rules
    from services.identity.tokens.models import SignInSession

    first = await visitor.signed_in()
    now = clock.now()
    async with visitor.company.session() as session:
        await session.execute(update(SignInSession).values(last_used_at=now - timedelta(days=1)))
        for _ in range(MOST_SESSIONS - 1):
            session.add(
                SignInSession(
                    person_id=UUID(claims_of(first["access_token"])["sub"]),
                    session_epoch=1,
                    digest=b"",
                    client=None,
                    started_at=now,
                    last_used_at=now,
                    idle_at=now + rules.IDLE_LIFETIME,
                    expires_at=now + rules.LONGEST_LIFETIME,
                )
            )

    last = await visitor.signed_in()

    assert (await visitor.refresh(first["refresh_token"])).status_code == 401
    assert (await visitor.refresh(last["refresh_token"])).status_code == 200


async def test_the_database_keeps_no_refresh_token(visitor, server, identity_settings):
    token = (await visitor.signed_in())["refresh_token"]
    url = urlsplit(identity_settings.service_database_url.get_secret_value())
    connection = await server.connect(url.path.removeprefix("/"))
    try:
        rows = [str(row) for row in await connection.fetch("SELECT session::text FROM session")]
        rows += [str(row) for row in await connection.fetch("SELECT outbox::text FROM outbox")]
    finally:
        await connection.close()

    secret = token.split(".")[1]
    raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)).hex()
    assert not any(secret in row or raw in row for row in rows)


async def test_me_says_who_one_is_and_where(visitor):
    person_id, email = await visitor.person("product_owner")
    issued = await visitor.signed_in(email)

    me = (await visitor.get("/v1/me", issued["access_token"])).json()

    assert me["id"] == str(person_id)
    assert (me["organization"], me["platform"]) == (visitor.company.slug, "vabro")
    assert me["platform_role"] == "product_owner"
    assert set(me["assignments"][0]) == {"id", "role", "unit_id", "project_id"}


async def test_permissions_name_each_capability_once_with_all_its_reasons(visitor):
    person_id, email = await visitor.person("product_owner")
    await visitor.company.role(person_id, "product_owner", await visitor.company.unit())
    issued = await visitor.signed_in(email)

    items = (await visitor.get("/v1/me/permissions", issued["access_token"])).json()["items"]

    assert len({(item["capability"], item["scope"]) for item in items}) == len(items) > 0
    assert all(len(item["because"]) == 2 for item in items)
