"""Which service a request reaches, and with what."""

import asyncio
import json

import pytest

from services.gateway import docs
from services.gateway.app import Gateway, create
from services.gateway.config import GatewaySettings
from tests.gateway.standins import DOCUMENT, ISSUER

FORWARDED = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    "accept-language": "de",
    "authorization": "Bearer abc",
    "if-match": '"3"',
    "if-none-match": '"2"',
    "prefer": "return=minimal",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "user-agent": "tour/1.0",
}


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("GET", "/.well-known/jwks.json", "identity"),
        ("POST", "/v1/sessions", "identity"),
        ("GET", "/v1/objectives/1/key-results?limit=2&q=%2Fa", "okr"),
        ("POST", "/v1/feedback", "feedback"),
    ],
)
async def test_the_first_segment_below_v1_decides_about_the_service(gateway, method, path, service):
    answer = await gateway.client.request(method, path, json={} if method == "POST" else None)

    assert answer.status == 200
    assert answer.json() == {"service": service}


async def test_the_path_and_the_query_arrive_as_they_were_sent(world, gateway):
    sent = b"GET /v1/objectives/a%C3%A4~b?x=%2F..%2f&y=1;2 HTTP/1.1\r\nHost: h\r\n\r\n"

    await gateway.raw(sent)

    assert world.okr.seen[0].target == "/v1/objectives/a%C3%A4~b?x=%2F..%2f&y=1;2"


@pytest.mark.parametrize(
    "path", ["/internal/events", "/v1/internal/events", "/v1", "/nothing", "/v1/x"]
)
async def test_what_no_service_publishes_is_not_found(world, gateway, path):
    answer = await gateway.client.post(path, json={})

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert world.identity.seen + world.okr.seen + world.feedback.seen == []


async def test_only_headers_of_the_list_reach_a_service(world, gateway):
    refused = {
        "Cookie": "a=b",
        "X-User": "root",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Request-Id": "mine",
        "Forwarded": "for=10.0.0.1",
        "Connection": "keep-alive, authorization",
        "Proxy-Authorization": "Basic abc",
    }
    await gateway.client.get("/v1/objectives/1", headers=FORWARDED | refused)

    seen = dict(world.okr.seen[0].headers)
    request_id = seen.pop("x-request-id")
    assert request_id != "mine"
    assert seen == FORWARDED | {
        "host": "okr.example",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "https",
    }


async def test_every_answer_carries_the_request_id_that_the_service_was_given(world, gateway):
    first = await gateway.client.get("/v1/objectives/1")
    second = await gateway.client.get("/v1/objectives/1")
    refused = await gateway.client.get("/nothing")

    ids = [answer.headers["X-Request-Id"] for answer in (first, second)]
    assert ids == [seen.header("x-request-id") for seen in world.okr.seen]
    assert len(set(ids)) == 2
    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]


async def test_the_answer_of_the_service_is_passed_on_with_what_the_gateway_adds(world, gateway):
    async def answer(exchange):
        await exchange.json(
            {"a": 1},
            201,
            {
                "etag": '"7"',
                "location": "/v1/objectives/7",
                "content-encoding": "gzip",
                "set-cookie": "a=b",
                "x-request-id": "theirs",
                "access-control-allow-origin": "*",
            },
        )

    world.okr.answer = answer
    answered = await gateway.client.post("/v1/objectives", data=b"{}")

    assert answered.status == 201
    assert answered.body == b'{"a": 1}'
    headers = answered.headers
    assert (headers["ETag"], headers["Location"]) == ('"7"', "/v1/objectives/7")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answered.all("X-Request-Id") == [world.okr.seen[0].header("x-request-id")]
    assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & set(headers)


async def test_a_service_may_allow_keeping_its_answer(world, gateway):
    async def answer(exchange):
        await exchange.json({}, headers={"cache-control": "max-age=60"})

    world.okr.answer = answer

    answered = await gateway.client.get("/v1/objectives/1")

    assert answered.all("Cache-Control") == ["max-age=60"]


async def test_a_redirect_is_the_clients_to_follow(world, gateway):
    async def answer(exchange):
        await exchange.start(307, {"location": "http://127.0.0.1:1/", "content-length": "0"})
        await exchange.part(b"", more=False)

    world.okr.answer = answer

    answered = await gateway.client.get("/v1/objectives/1", allow_redirects=False)

    assert answered.status == 307
    assert len(world.okr.seen) == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_stays_one(world, gateway, status):
    async def answer(exchange):
        await exchange.start(status, {"etag": '"1"'})
        await exchange.part(b"", more=False)

    world.okr.answer = answer

    for _ in range(2):  # the second goes over the same connections
        answered = await gateway.client.get("/v1/objectives/1")
        assert answered.status == status
        assert answered.body == b""


async def test_head_is_answered_with_the_headers_alone(gateway):
    answered = await gateway.client.head("/v1/objectives/1")

    assert answered.status == 200
    assert answered.headers["Content-Length"] == "18"
    assert answered.body == b""


async def test_methods_of_the_api_are_left_to_the_service_others_are_refused(world, gateway):
    await gateway.client.patch("/v1/objectives/1", data=b"{}")
    await gateway.client.options("/v1/objectives/1")
    refused = await gateway.client.request("TRACE", "/v1/objectives/1")

    assert [seen.method for seen in world.okr.seen] == ["PATCH", "OPTIONS"]
    assert refused.status == 405
    assert "PATCH" in refused.headers["Allow"]


def test_a_prefix_of_two_services_stops_the_gateway():
    document = {
        "paths": {
            "/v1/people": {"get": {"x-cairn-service": "identity"}},
            "/v1/people/{id}/goals": {"get": {"x-cairn-service": "okr"}},
        }
    }

    with pytest.raises(docs.BrokenDocument, match=r"v1/people is identity's"):
        docs.routes(document)


@pytest.mark.parametrize("path", ["/internal/events", "/v1/objectives"])
def test_an_operation_of_no_public_service_stops_the_gateway(path):
    service = {"x-cairn-service": "okr"} if "internal" in path else {}

    with pytest.raises(docs.BrokenDocument, match="names no public service"):
        docs.routes({"paths": {path: {"get": service}}})


def test_a_missing_document_stops_the_gateway_and_says_what_to_do(tmp_path):
    with pytest.raises(docs.BrokenDocument, match="run `make api`"):
        docs.read(tmp_path / "cairn.json")
    (tmp_path / "cairn.json").write_text('{"paths": {}}')
    with pytest.raises(docs.BrokenDocument, match="describes no operations"):
        docs.read(tmp_path / "cairn.json")


def test_the_committed_document_routes_every_service():
    document = docs.read(GatewaySettings.model_fields["gateway_openapi"].default)

    table = {prefix: route.service for prefix, route in docs.routes(document).items()}

    assert set(table.values()) == {"identity", "okr", "feedback"}
    assert table["v1/sessions"] == table[".well-known"] == "identity"
    assert table["v1/objectives"] == "okr"
    assert table["v1/feedback-requests"] == "feedback"
    assert docs.routes(document)["v1/imports"].takes_files


def test_a_service_without_an_address_stops_the_gateway(tmp_path):
    document = tmp_path / "cairn.json"
    document.write_text(json.dumps(DOCUMENT))
    peers = json.dumps({"identity": ["unix:/a"], "feedback": ["unix:/b"]})

    with pytest.raises(ValueError, match="CAIRN_PEERS names no address of okr"):
        Gateway(GatewaySettings(peers=peers, issuer=ISSUER, gateway_openapi=document))


@pytest.mark.parametrize(
    "wrong",
    [
        {"peers": '{"okr": []}'},
        {"peers": '{"okr": ["okr:8000"]}'},
        {"cors_origins": "*"},
        {"cors_origins": "https://a.example/"},
        {"gateway_body_bytes": 0},
        {"gateway_trusted_proxies": "proxy.example"},
    ],
)
def test_a_wrong_setting_stops_the_gateway(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GatewaySettings(**{"peers": "{}", "issuer": ISSUER} | wrong)


async def test_a_web_socket_is_closed(gateway):
    answer = await gateway.raw(
        b"GET /v1/objectives HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    assert not answer.startswith(b"HTTP/1.1 101")


async def test_many_requests_at_once_get_each_their_own_answer(world, gateway):
    async def answer(exchange):
        await asyncio.sleep(0)
        await exchange.json({"target": exchange.seen.target})

    world.okr.answer = answer

    async def ask(number: int) -> bool:
        answered = await gateway.client.get(f"/v1/objectives/{number}")
        return answered.json()["target"] == f"/v1/objectives/{number}"

    assert all(await asyncio.gather(*map(ask, range(200))))


def test_the_stand_in_document_is_like_the_real_one():
    assert docs.routes(DOCUMENT)["v1/objectives"] == docs.Route("okr", takes_files=False)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CAIRN_PEERS": "{}"}, "CAIRN_ISSUER is not set."),
        ({"CAIRN_PEERS": "{}", "CAIRN_ISSUER": ISSUER}, "CAIRN_PEERS names no address of"),
        (
            {"CAIRN_PEERS": "{}", "CAIRN_ISSUER": ISSUER, "CAIRN_GATEWAY_OPENAPI": "/none"},
            "/none cannot be read",
        ),
    ],
)
def test_a_gateway_that_cannot_start_says_why_in_one_line(tmp_path, monkeypatch, environment, said):
    document = tmp_path / "cairn.json"
    document.write_text(json.dumps(DOCUMENT))
    for name in ("CAIRN_PEERS", "CAIRN_ISSUER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"CAIRN_GATEWAY_OPENAPI": str(document)} | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("kernel.logging.configure", lambda *_: None)

    with pytest.raises(SystemExit) as ended:
        create()

    assert said in str(ended.value)
    assert "\n" not in str(ended.value)
