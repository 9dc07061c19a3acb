"""Requests that two programs could read in two ways: refused, or without any effect."""

import json

import pytest

HEAD = b"Host: okr.example\r\n"
PLAIN = b"GET /v1/objectives/1 HTTP/1.1\r\n" + HEAD

REFUSED = {
    # framing
    "length and chunked": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "the same length twice": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": b"POST /v1/objectives HTTP/1.1\r\n" + HEAD + b"Content-Length: +2\r\n\r\n{}",
    "an endless length": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "chunked twice": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another encoding": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a disguised encoding": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a body on GET": PLAIN + b"Content-Length: 2\r\n\r\n{}",
    "a chunked body on GET": PLAIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    # host
    "no host": b"GET /v1/objectives/1 HTTP/1.1\r\n\r\n",
    "two hosts": PLAIN + b"Host: evil.example\r\n\r\n",
    "an empty host": b"GET /v1/objectives/1 HTTP/1.1\r\nHost:\r\n\r\n",
    "a host with a path": b"GET /v1/objectives/1 HTTP/1.1\r\nHost: a/?x=\r\n\r\n",
    "a host with a user": b"GET /v1/objectives/1 HTTP/1.1\r\nHost: a@b\r\n\r\n",
    # path
    "a dot segment": b"GET /v1/objectives/../people HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a dot segment at the end": b"GET /v1/objectives/.. HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a single dot": b"GET /v1/./objectives HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an encoded dot": b"GET /v1/%2e%2e/internal/events HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an encoded slash": b"GET /v1/objectives/..%2Finternal HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an encoded backslash": b"GET /v1/objectives/%5cinternal HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a backslash": b"GET /v1\\objectives HTTP/1.1\r\n" + HEAD + b"\r\n",
    "encoded twice": b"GET /v1/objectives/%252e HTTP/1.1\r\n" + HEAD + b"\r\n",
    "two slashes": b"GET /v1//objectives HTTP/1.1\r\n" + HEAD + b"\r\n",
    "two slashes first": b"GET //v1/objectives HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an encoded zero": b"GET /v1/objectives/%00 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an encoded new line": b"GET /v1/objectives/%0d%0aX:1 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a parameter": b"GET /v1/objectives;a=b/1 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "half an encoding": b"GET /v1/objectives/%4 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a byte that is not ASCII": b"GET /v1/objectives/\xe4 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "no path": b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n",
    # header names and values
    "an underscore": PLAIN + b"X_User: root\r\n\r\n",
    "a dot": PLAIN + b"X.User: root\r\n\r\n",
    "a space before the colon": PLAIN + b"Authorization : Bearer a\r\n\r\n",
    "a folded line": PLAIN + b"Accept: a\r\n b\r\n\r\n",
    "no name": PLAIN + b": a\r\n\r\n",
    "two tokens": PLAIN + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    "two keys": PLAIN + b"Idempotency-Key: a\r\nidempotency-key: b\r\n\r\n",
    "two types": b"POST /v1/objectives HTTP/1.1\r\n"
    + HEAD
    + b"Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 2\r\n\r\n{}",
    "two versions": PLAIN + b'If-Match: "1"\r\nIf-Match: "2"\r\n\r\n',
    "a value that is not ASCII": PLAIN + b"Authorization: Bearer \xe4\r\n\r\n",
    "a zero in a value": PLAIN + b"Authorization: Bearer a\x00b\r\n\r\n",
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
async def test_a_request_with_two_readings_is_refused(world, gateway, sent):
    # What is smuggled would be the second request here.
    answer = await gateway.raw(sent)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert {b"connection: close", b"content-type: application/problem+json"} <= {
        *head.lower().split(b"\r\n")
    }
    problem = json.loads(body)
    assert (problem["status"], problem["title"]) == (400, "The request is malformed")
    assert f"x-request-id: {problem['request_id']}".encode() in head.lower()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert world.identity.seen + world.okr.seen + world.feedback.seen == []


async def test_a_request_with_one_reading_is_not_refused(world, gateway):
    """The control of the corpus: without the trick the same lines are answered."""
    answer = await gateway.raw(
        b"POST /v1/objectives HTTP/1.1\r\n"
        + HEAD
        + b"Accept: a\r\nAccept: b\r\nContent-Length: 2\r\nX-User: root\r\n\r\n{}"
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    (seen,) = world.okr.seen
    assert seen.body == b"{}"
    assert seen.header("accept") == "a, b"
    assert seen.header("x-user") is None


@pytest.mark.parametrize(
    "target", [b"http://evil.example/v1/objectives/1", b"http://u:p@evil/v1/objectives/1"]
)
async def test_the_authority_of_an_absolute_target_counts_for_nothing(world, gateway, target):
    """The server hands on the path alone (RFC 9112 section 3.2.2 has it accept the form)."""
    await gateway.raw(b"GET " + target + b" HTTP/1.1\r\n" + HEAD + b"\r\n")

    assert {(seen.target, seen.header("host")) for seen in world.okr.seen} <= {
        ("/v1/objectives/1", "okr.example")
    }


async def test_a_connect_request_reaches_nothing(world, gateway):
    answer = await gateway.raw(b"CONNECT okr.example:443 HTTP/1.1\r\n" + HEAD + b"\r\n")

    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert world.okr.seen == []


async def test_requests_in_one_piece_are_answered_one_by_one_in_order(world, gateway):
    first = PLAIN + b"\r\n"
    second = b"POST /v1/feedback HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

    answer = await gateway.raw(first + second + b"2\r\n{}\r\n0\r\n\r\n" + first)

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.index(b'"okr"') < answer.index(b'"feedback"') < answer.rindex(b'"okr"')
    assert (len(world.okr.seen), len(world.feedback.seen)) == (2, 1)
    assert world.feedback.seen[0].body == b"{}"


async def test_what_looks_like_a_request_in_a_body_stays_a_body(world, gateway):
    inner = b"GET /v1/objectives/2 HTTP/1.1\r\n" + HEAD + b"\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(inner)

    await gateway.raw(b"POST /v1/objectives HTTP/1.1\r\n" + HEAD + length + inner)

    assert [seen.body for seen in world.okr.seen] == [inner]


async def test_old_clients_need_no_host(gateway):
    answer = await gateway.raw(b"GET /livez HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")
