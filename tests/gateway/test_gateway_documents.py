"""What the gateway answers by itself: the document, the viewer, health, and browsers' questions."""

import json
import re
import sys

import pytest

ORIGIN = {"Origin": "https://app.example"}


async def test_the_document_names_the_public_address_and_no_service(gateway):
    answer = await gateway.client.get("/openapi.json")

    document = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://okr.example"}]
    assert "/v1/objectives/{id}" in document["paths"]
    assert document["paths"]["/v1/objectives/{id}"]["parameters"]
    assert b"x-cairn-service" not in answer.body


async def test_the_document_is_sent_again_only_when_it_changed(gateway):
    first = await gateway.client.get("/openapi.json")

    again = await gateway.client.get(
        "/openapi.json", headers={"If-None-Match": first.headers["ETag"]}
    )

    assert (again.status, again.body) == (304, b"")
    assert (await gateway.client.get("/docs", headers={"If-None-Match": '"x"'})).status == 200


async def test_the_viewer_needs_nothing_from_elsewhere(world, gateway):
    page = await gateway.client.get("/docs")
    linked = re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode())
    files = {path: await gateway.client.get(path) for path in linked}

    assert page.status == 200
    assert set(linked) == {"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js"}
    assert {answer.status for answer in files.values()} == {200}
    assert not re.search(rb"(?:src|href)=\"(?:https?:)?//", page.body)
    assert b'"/openapi.json"' in files["/docs/start.js"].body
    # Version 5 is the first that shows OpenAPI 3.1.
    assert b"isOAS31" in files["/docs/swagger-ui-bundle.js"].body
    assert world.okr.seen == world.identity.seen == []


async def test_the_viewer_may_run_scripts_of_this_address_alone(gateway):
    policy = (await gateway.client.get("/docs")).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


async def test_the_root_leads_to_the_viewer(gateway):
    answer = await gateway.client.get("/", allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (307, "/docs")


@pytest.mark.parametrize(("path", "status"), [("/livez", "alive"), ("/readyz", "ready")])
async def test_health_needs_no_token(gateway, path, status):
    answer = await gateway.client.get(path)

    assert (answer.status, answer.json()) == (200, {"status": status})
    assert answer.headers["Cache-Control"] == "no-store"


async def test_readiness_asks_no_service(world, gateway):
    for _ in range(5):
        await gateway.client.get("/readyz")

    assert world.identity.seen + world.okr.seen + world.feedback.seen == []


@pytest.mark.parametrize("path", ["/livez", "/docs", "/openapi.json", "/"])
async def test_what_the_gateway_answers_itself_is_only_read(gateway, path):
    refused = await gateway.client.post(path, data=b"{}")
    head = await gateway.client.head(path, allow_redirects=False)

    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert head.status in {200, 307}
    assert head.body == b""


async def test_a_configured_origin_may_read_answers(world):
    gateway = await world.gateway(cors_origins="https://app.example, http://localhost:5173")

    for path in ("/v1/objectives/1", "/nothing", "/openapi.json"):
        answer = await gateway.client.get(path, headers=ORIGIN)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert {"ETag", "X-Request-Id", "Retry-After", "Location"} <= set(
            answer.headers["Access-Control-Expose-Headers"].split(", ")
        )
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.evil", "null", "*"]
)
async def test_another_origin_may_not(world, origin):
    gateway = await world.gateway(cors_origins="https://app.example")

    answer = await gateway.client.get("/v1/objectives/1", headers={"Origin": origin})
    preflight = await gateway.client.options(
        "/v1/objectives", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )

    for refused in (answer, preflight):
        assert [name for name in refused.headers if name.lower().startswith("access-control")] == []


async def test_a_preflight_is_answered_without_asking_a_service(world):
    gateway = await world.gateway(cors_origins="https://app.example")

    answer = await gateway.client.options(
        "/v1/objectives/1", headers=ORIGIN | {"Access-Control-Request-Method": "PATCH"}
    )

    assert answer.status == 204
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert world.okr.seen == []


async def test_each_request_is_one_line_of_the_log_without_its_query(world, monkeypatch):
    written = []
    gateway = await world.gateway(log_level="info")
    monkeypatch.setattr(sys.stderr, "write", written.append)
    answer = await gateway.client.get("/v1/objectives/1?secret=1")
    await gateway.client.get("/livez")
    gateway.app._access.flush()

    (line,) = [json.loads(line) for line in "".join(written).splitlines() if '"served"' in line]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/objectives/1", 200)
    assert line["milliseconds"] > 0
