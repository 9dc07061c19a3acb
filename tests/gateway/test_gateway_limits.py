"""How often one may ask, and who counts as whom."""

import asyncio
import time
from ipaddress import ip_network
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

from kernel.addresses import network_of
from services.gateway.addresses import client_of
from tests.gateway.standins import ISSUER, until


@pytest.fixture(autouse=True)
async def within_one_minute():
    """Windows begin at full minutes: a test that straddled one would count in two."""
    if time.time() % 60 > 55:
        await asyncio.sleep(60 - time.time() % 60)


@pytest.fixture(scope="module")
def key():
    return generate_private_key(65537, 2048)


def token(key, person: UUID) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "cairn",
        "sub": str(person),
        "org": str(uuid4()),
        "jti": str(uuid4()),
        "sid": "s",
        "platform": "lattice",
        "platform_role": "manager",
        "epoch": 1,
        "iat": now,
        "exp": now + 300,
    }
    signed = jwt.encode(claims, key, "RS256", headers={"kid": "k1", "typ": "at+jwt"})
    return {"Authorization": f"Bearer {signed}"}


async def knowing_keys(world, key, **settings):
    """A gateway that has fetched the key of the tokens from identity."""
    published = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "k1", "alg": "RS256"}

    async def answer(exchange):
        await exchange.read()
        status = 200 if exchange.seen.method == "GET" else 401
        await exchange.json({"keys": [published]}, status)

    world.identity.answer = answer
    gateway = await world.gateway(**settings)
    await until(lambda: bool(gateway.app._limits._verifier._keys._keys))
    return gateway


async def statuses(gateway, count: int, headers=None) -> list[int]:
    return [
        (await gateway.client.get("/v1/objectives/1", headers=headers)).status for _ in range(count)
    ]


async def test_each_person_has_an_allowance_of_their_own(world, key):
    gateway = await knowing_keys(world, key, gateway_requests_per_minute=3)
    one, other = uuid4(), uuid4()

    first = await statuses(gateway, 2, token(key, one))
    # Another token of the same person is the same person.
    second = await statuses(gateway, 2, token(key, one))

    assert first + second == [200, 200, 200, 429]
    assert await statuses(gateway, 3, token(key, other)) == [200] * 3
    assert await statuses(gateway, 3) == [200] * 3


async def test_a_refusal_says_how_long_to_wait(world, key):
    gateway = await knowing_keys(world, key, gateway_requests_per_minute=1)
    person = token(key, uuid4())
    await statuses(gateway, 1, person)

    refused = await gateway.client.get("/v1/objectives/1", headers=person)

    assert refused.status == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 120
    assert refused.headers["RateLimit-Policy"] == '"person";q=1;w=60'
    assert refused.headers["RateLimit"] == f'"person";r=0;t={wait}'
    assert len(world.okr.seen) == 1


async def test_a_forged_token_takes_nothing_from_the_person_it_names(world, key):
    gateway = await knowing_keys(
        world, key, gateway_requests_per_minute=2, gateway_anonymous_per_minute=5
    )
    person = uuid4()
    forged = token(generate_private_key(65537, 2048), person)

    assert await statuses(gateway, 6, forged) == [200] * 5 + [429]
    assert await statuses(gateway, 2, token(key, person)) == [200, 200]


async def test_a_sender_without_a_token_is_counted_by_address(world):
    gateway = await world.gateway(gateway_anonymous_per_minute=2)

    assert await statuses(gateway, 3) == [200, 200, 429]
    assert await statuses(gateway, 1, {"X-Forwarded-For": "10.0.0.1"}) == [429]
    assert await statuses(gateway, 1, {"Authorization": "Basic abc"}) == [429]
    assert (await gateway.client.get("/livez")).status == 200


async def test_limits_can_be_switched_off(world):
    gateway = await world.gateway(
        gateway_anonymous_per_minute=0,
        gateway_requests_per_minute=0,
        gateway_failed_sign_ins_per_minute=0,
    )

    assert await statuses(gateway, 20) == [200] * 20


async def test_only_refused_sign_ins_are_counted(world, key):
    gateway = await knowing_keys(world, key, gateway_failed_sign_ins_per_minute=3)

    async def sign_in() -> int:
        return (await gateway.client.post("/v1/sessions", data=b"{}")).status

    failed = [await sign_in() for _ in range(4)]
    world.identity.answer = None
    still_refused = await sign_in()

    assert failed == [401, 401, 401, 429]
    assert still_refused == 429
    assert await statuses(gateway, 5) == [200] * 5


async def test_sign_ins_that_succeed_are_free(world):
    gateway = await world.gateway(gateway_failed_sign_ins_per_minute=2)

    answers = [await gateway.client.post("/v1/sessions", data=b"{}") for _ in range(6)]

    assert {answer.status for answer in answers} == {200}


async def test_requests_do_not_wait_for_the_keys_of_identity(world, key):
    async def hang(exchange):
        while True:
            await exchange.read()

    world.identity.answer = hang
    gateway = await world.gateway(gateway_requests_per_minute=1)
    person = token(key, uuid4())

    # Counted by address meanwhile, where there is room; the service decides about the token.
    assert await statuses(gateway, 3, person) == [200] * 3


async def test_a_new_key_is_looked_for_when_a_token_names_it(world, key, monkeypatch):
    monkeypatch.setattr("services.gateway.limits._COOL_DOWN_SECONDS", 0.05)
    gateway = await knowing_keys(world, key, gateway_requests_per_minute=1)
    keys = gateway.app._limits._verifier._keys
    keys._keys = {"k0": keys._keys["k1"]}
    person = token(key, uuid4())

    await statuses(gateway, 1, person)
    await until(lambda: "k1" in keys._keys)

    assert await statuses(gateway, 2, person) == [200, 429]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_an_address_stands_for_the_network_one_customer_has(address, network):
    assert network_of(address) == network


TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("", "198.51.100.9", ""),
    ],
)
def test_only_trusted_proxies_say_who_their_client_is(peer, forwarded, client):
    assert client_of(peer, forwarded, TRUSTED) == client
    assert client_of(peer, forwarded, ()) == peer


async def test_behind_a_trusted_proxy_each_client_has_an_allowance_of_its_own(world):
    gateway = await world.gateway(
        gateway_anonymous_per_minute=2, gateway_trusted_proxies="127.0.0.1, 10.0.0.0/8"
    )

    assert await statuses(gateway, 3, {"X-Forwarded-For": "192.0.2.1"}) == [200, 200, 429]
    assert await statuses(gateway, 2, {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}) == [200, 200]
    assert world.okr.seen[-1].header("x-forwarded-for") == "192.0.2.2"


async def test_one_sender_has_so_many_requests_under_way_and_others_theirs(world, key):
    gateway = await knowing_keys(world, key, gateway_requests_at_once=2)
    release = asyncio.Event()

    async def wait(exchange):
        await release.wait()
        await exchange.json({})

    world.okr.answer = wait
    greedy, other = token(key, uuid4()), token(key, uuid4())

    async def ask(headers: dict[str, str] | None = None) -> int:
        return (await gateway.client.get("/v1/objectives/1", headers=headers)).status

    waiting = [asyncio.create_task(ask(greedy)) for _ in range(2)]
    await until(lambda: len(world.okr.seen) == 2)
    refused = await gateway.client.get("/v1/objectives/1", headers=greedy)
    waiting += [asyncio.create_task(ask(headers)) for headers in (other, None)]
    await until(lambda: len(world.okr.seen) == 4)
    release.set()

    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert "2 requests at once" in refused.json()["detail"]
    assert await asyncio.gather(*waiting) == [200] * 4
    # What has ended, however it did, is under way no longer.
    assert [await ask(greedy) for _ in range(3)] == [200] * 3


async def test_a_client_that_leaves_has_nothing_under_way_any_more(world, key):
    gateway = await knowing_keys(world, key, gateway_requests_at_once=1)

    async def hang(exchange):
        await exchange.until_left()

    world.okr.answer = hang
    leaving = asyncio.create_task(gateway.client.get("/v1/objectives/1"))
    await until(lambda: len(world.okr.seen) == 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await until(lambda: not gateway.app._limits._under_way)
