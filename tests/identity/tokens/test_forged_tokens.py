"""Forged, altered and misused tokens: every one is refused, and all in the same words."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from jwt.algorithms import RSAAlgorithm

from kernel.calls import signed_call
from kernel.errors import Unauthenticated
from kernel.ids import uuid7
from kernel.tokens import TokenVerifier
from tests.support.database import ISSUER
from tests.support.tokens import KEY_ID, KnownKeys, claims_for, private_key, signed

HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": KEY_ID}
Claims = dict[str, Any]
Forge = Callable[[Claims], str]


def coded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def rs256(content: bytes) -> bytes:
    return private_key().sign(content, padding.PKCS1v15(), hashes.SHA256())


def token(header: Any, body: Any, sign: Callable[[bytes], bytes] = rs256) -> str:
    """A token of any header and body (text is taken as it is), rightly signed unless told."""
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (header, body)]
    content = ".".join(coded(text.encode()) for text in texts)
    return f"{content}.{coded(sign(content.encode()))}"


def with_header(**changes: Any) -> Forge:
    return lambda claims: token(HEADER | changes, claims)


def without_header(name: str) -> Forge:
    return lambda claims: token({k: v for k, v in HEADER.items() if k != name}, claims)


def with_claims(**changes: Any) -> Forge:
    return lambda claims: token(HEADER, claims | changes)


def without_claim(name: str) -> Forge:
    return lambda claims: token(HEADER, {k: v for k, v in claims.items() if k != name})


def twice(name: str, value: Any) -> Forge:
    """A claim said twice: once wrong, once right."""
    return lambda claims: token(
        HEADER, json.dumps({name: value})[:-1] + "," + json.dumps(claims)[1:]
    )


def unsigned(algorithm: str) -> Forge:
    return lambda claims: token(HEADER | {"alg": algorithm}, claims, lambda _: b"")


def hs256_with(form: Callable[[], bytes]) -> Forge:
    def forge(claims: Claims) -> str:
        return token(
            HEADER | {"alg": "HS256"},
            claims,
            lambda content: hmac.new(form(), content, hashlib.sha256).digest(),
        )

    return forge


def public_bytes(encoding: serialization.Encoding) -> bytes:
    return (
        private_key()
        .public_key()
        .public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def by_a_stranger(claims: Claims, **header: Any) -> str:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return token(
        HEADER | header,
        claims,
        lambda content: own.sign(content, padding.PKCS1v15(), hashes.SHA256()),
    )


def with_embedded_key(claims: Claims) -> str:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header = HEADER | {"jwk": json.loads(RSAAlgorithm.to_jwk(own.public_key()))}
    return token(
        header, claims, lambda content: own.sign(content, padding.PKCS1v15(), hashes.SHA256())
    )


def rsa_pss(claims: Claims) -> str:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return token(
        HEADER | {"alg": "PS256"},
        claims,
        lambda content: private_key().sign(content, pss, hashes.SHA256()),
    )


def ed25519_token(claims: Claims) -> str:
    return token(HEADER | {"alg": "EdDSA"}, claims, ed25519.Ed25519PrivateKey.generate().sign)


def es256_token(claims: Claims) -> str:
    own = ec.generate_private_key(ec.SECP256R1())
    return token(
        HEADER | {"alg": "ES256"},
        claims,
        lambda content: own.sign(content, ec.ECDSA(hashes.SHA256())),
    )


def altered(change: Callable[[str], str]) -> Forge:
    return lambda claims: change(signed(claims))


def respelled_signature(whole: str) -> str:
    """The four bits that Base64 leaves over at the end of 256 bytes, changed."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return whole[:-1] + letters[letters.index(whole[-1]) ^ 1]


def swapped_body(whole: str) -> str:
    header, body, signature = whole.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"{header}.{coded(json.dumps(claims | {'epoch': 9}).encode())}.{signature}"


NOW = int(time.time())
FORGED: dict[str, Forge] = {
    # The algorithm.
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg nOnE": unsigned("nOnE"),
    "alg empty": unsigned(""),
    "right alg, no signature": unsigned("RS256"),
    "HS256 with the public key as PEM": hs256_with(
        lambda: public_bytes(serialization.Encoding.PEM)
    ),
    "HS256 with the public key as DER": hs256_with(
        lambda: public_bytes(serialization.Encoding.DER)
    ),
    "HS256 with the public key as JWK": hs256_with(
        lambda: RSAAlgorithm.to_jwk(private_key().public_key()).encode()
    ),
    "HS256 with an empty key": hs256_with(lambda: b""),
    "ES256 with zeros": lambda claims: token(
        HEADER | {"alg": "ES256"}, claims, lambda _: bytes(64)
    ),
    "ES256 by another key": es256_token,
    "EdDSA by another key": ed25519_token,
    "PS256 by the right key": rsa_pss,
    "alg of another hash": with_header(alg="RS512"),
    "alg in lower case": with_header(alg="rs256"),
    "alg missing": without_header("alg"),
    "alg an array": with_header(alg=["RS256"]),
    "alg null": with_header(alg=None),
    # The key.
    "signed by a stranger": by_a_stranger,
    "kid missing": without_header("kid"),
    "kid unknown": with_header(kid="another"),
    "kid empty": with_header(kid=""),
    "kid null": with_header(kid=None),
    "kid a number": with_header(kid=1),
    "kid an array": with_header(kid=[KEY_ID]),
    "kid an object": with_header(kid={"id": KEY_ID}),
    "kid climbs folders": with_header(kid="../../../../dev/null"),
    "kid asks the database": with_header(kid="' OR 1=1 --"),
    "kid names a place": with_header(kid="https://attacker.example/key"),
    "kid with NUL": with_header(kid=f"{KEY_ID}\0"),
    "kid of 10 kB": with_header(kid="k" * 10_000),
    "jku": lambda claims: by_a_stranger(claims, jku="https://attacker.example/jwks.json"),
    "jku, rightly signed": with_header(jku="https://attacker.example/jwks.json"),
    "x5u": lambda claims: by_a_stranger(claims, x5u="https://attacker.example/cert.pem"),
    "x5c": with_header(x5c=["MIIB"]),
    "jwk embedded": with_embedded_key,
    # The header.
    "crit unknown": with_header(crit=["x"]),
    "crit b64": with_header(crit=["b64"], b64=False),
    "crit empty": with_header(crit=[]),
    "b64 false": with_header(b64=False),
    "zip": with_header(zip="DEF"),
    "cty": with_header(cty="JWT"),
    "typ missing": without_header("typ"),
    "typ JWT": with_header(typ="JWT"),
    "typ of an id token": with_header(typ="id+jwt"),
    "typ of a logout token": with_header(typ="logout+jwt"),
    "typ of a security event": with_header(typ="secevent+jwt"),
    "typ in upper case": with_header(typ="AT+JWT"),
    "typ an array": with_header(typ=["at+jwt"]),
    "alg twice": lambda claims: token('{"alg":"none",' + json.dumps(HEADER)[1:], claims),
    "header an array": lambda claims: token([HEADER], claims),
    "header no JSON": lambda claims: token("nothing", claims),
    # The spelling.
    "two parts": altered(lambda whole: whole.rpartition(".")[0]),
    "no signature": altered(lambda whole: whole.rpartition(".")[0] + "."),
    "four parts": altered(lambda whole: whole + ".e30"),
    "five parts": altered(lambda whole: whole + ".e30.e30"),
    "one part": altered(lambda whole: whole.replace(".", "")),
    "padding": altered(lambda whole: whole + "=="),
    "leftover bits": altered(respelled_signature),
    "foreign characters": altered(lambda whole: whole + "!"),
    "a space inside": altered(lambda whole: whole.replace(".", ". ", 1)),
    "standard Base64": altered(lambda whole: whole + "+/"),
    "body altered": altered(swapped_body),
    "signature cut": altered(lambda whole: whole[:-4]),
    "a megabyte": altered(lambda whole: whole + "A" * 1_000_000),
    "a body of a megabyte": with_claims(extra="x" * 1_000_000),
    "JSON nested deeply": lambda claims: token(HEADER, "[" * 2_000 + "]" * 2_000),
    "not a token": lambda _: "nothing",
    "body an array": lambda claims: token(HEADER, [claims]),
    "body a text": lambda claims: token(HEADER, '"claims"'),
    "body null": lambda claims: token(HEADER, "null"),
    # Time.
    "exp missing": without_claim("exp"),
    "exp past": with_claims(exp=NOW - 60),
    "exp a text": lambda claims: token(HEADER, claims | {"exp": str(claims["exp"])}),
    "exp a fraction": lambda claims: token(HEADER, claims | {"exp": claims["exp"] + 0.5}),
    "exp true": with_claims(exp=True),
    "exp null": with_claims(exp=None),
    "exp far away": with_claims(exp=10**18),
    "exp not finite": lambda claims: token(
        HEADER, json.dumps(claims).replace(str(claims["exp"]), "Infinity")
    ),
    "exp of 5,000 digits": lambda claims: token(
        HEADER, json.dumps(claims).replace(str(claims["exp"]), "9" * 5_000)
    ),
    "exp beyond the lifetime": lambda claims: token(HEADER, claims | {"exp": claims["exp"] + 60}),
    "exp twice": twice("exp", 10**12),
    "iat missing": without_claim("iat"),
    "iat in the future": lambda claims: token(HEADER, claims | {"iat": claims["iat"] + 60}),
    "iat a text": lambda claims: token(HEADER, claims | {"iat": str(claims["iat"])}),
    "nbf in the future": with_claims(nbf=NOW + 86_400),
    # Who issued it, for whom.
    "iss missing": without_claim("iss"),
    "iss longer": with_claims(iss=f"{ISSUER}.attacker.example"),
    "iss shorter": with_claims(iss=ISSUER[:-1]),
    "iss with a slash": with_claims(iss=f"{ISSUER}/"),
    "iss in upper case": with_claims(iss=ISSUER.upper()),
    "iss an array": with_claims(iss=[ISSUER]),
    "iss twice": twice("iss", "https://attacker.example"),
    "aud missing": without_claim("aud"),
    "aud of others": with_claims(aud="okr"),
    "aud an array with ours": with_claims(aud=["cairn"]),
    "aud an array of two": with_claims(aud=["cairn", "other"]),
    "aud null": with_claims(aud=None),
    "jti missing": without_claim("jti"),
    "jti a number": with_claims(jti=1),
    # Whose it is.
    "sub missing": without_claim("sub"),
    "sub a number": with_claims(sub=1),
    "sub a name": with_claims(sub="administrator"),
    "sub null": with_claims(sub=None),
    "sub twice": twice("sub", str(uuid7())),
    "org missing": without_claim("org"),
    "org an array": lambda claims: token(HEADER, claims | {"org": [claims["org"]]}),
    "org a name": with_claims(org="vabro"),
    "org twice": twice("org", str(uuid7())),
    "platform missing": without_claim("platform"),
    "platform_role missing": without_claim("platform_role"),
    "platform_role an array": with_claims(platform_role=["team_member", "administrator"]),
    "sid missing": without_claim("sid"),
    "sid a number": with_claims(sid=7),
    "epoch missing": without_claim("epoch"),
    "epoch negative": with_claims(epoch=-1),
    "epoch 0": with_claims(epoch=0),
    "epoch true": with_claims(epoch=True),
    "epoch a text": with_claims(epoch="1"),
    "epoch a fraction": with_claims(epoch=1.0),
    "epoch twice": twice("epoch", 10),
    # Tokens of another kind.
    "an ID token": lambda claims: jwt.encode(
        {name: claims[name] for name in ("iss", "sub", "iat", "exp")} | {"aud": "a-client"},
        private_key(),
        "RS256",
        {"kid": KEY_ID},
    ),
    "a call between services": lambda _: signed_call("x" * 64, "okr", "identity"),
}


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(ISSUER, KnownKeys())


async def test_the_right_token_is_taken(verifier):
    """The positive control: what the table alters is otherwise good."""
    claims = claims_for(uuid7(), uuid7())

    assert (await verifier.verify(token(HEADER, claims))).epoch == 1


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_does_not_verify(verifier, name):
    with pytest.raises(Unauthenticated):
        await verifier.verify(FORGED[name](claims_for(uuid7(), uuid7())))


async def test_a_token_that_was_taken_is_not_taken_after_its_end(verifier):
    claims = claims_for(uuid7(), uuid7()) | {"iat": int(time.time()) - 303}
    whole = token(HEADER, claims | {"exp": int(time.time()) - 3})
    # Within the leeway the clocks of two machines may differ by.
    await verifier.verify(whole)

    with pytest.raises(Unauthenticated):
        await verifier.verify(token(HEADER, claims | {"exp": int(time.time()) - 6}))


async def test_every_forged_token_gets_the_same_answer(company):
    person_id = company.administrator_id
    await company.role(person_id, "team_member")  # which ends the tokens of epoch 1
    claims = claims_for(person_id, company.id, epoch=await company.epoch(person_id))
    answers = set()
    for forge in [*FORGED.values(), lambda claims: token(HEADER, claims | {"epoch": 1})]:
        forged = forge(claims_for(person_id, company.id) | {"epoch": claims["epoch"]})
        if len(forged) < 64_000:
            headers = {"Authorization": f"Bearer {forged}", "X-Request-Id": "same"}
            answer = await company.client.get("/v1/me", headers=headers)
            answers.add(
                (answer.status_code, answer.headers["www-authenticate"], answer.json()["type"])
            )

    assert [answer[:2] for answer in answers] == [(401, "Bearer")]


async def test_the_words_of_a_refusal_do_not_say_what_was_wrong(company):
    claims = claims_for(company.administrator_id, company.id)
    texts = set()
    expired = claims | {"iat": int(time.time()) - 900, "exp": int(time.time()) - 600}
    forged = [
        FORGED[name](claims)
        for name in ("alg none", "kid unknown", "org missing", "signed by a stranger")
    ]
    for text in [*forged, FORGED["signed by a stranger"](expired)]:
        headers = {"Authorization": f"Bearer {text}", "X-Request-Id": "same"}
        texts.add((await company.client.get("/v1/me", headers=headers)).text)

    assert len(texts) == 1


async def test_only_a_token_that_was_good_once_is_told_that_it_has_expired(company):
    claims = claims_for(company.administrator_id, company.id)
    headers = {"Authorization": f"Bearer {FORGED['exp past'](claims)}"}

    answer = await company.client.get("/v1/me", headers=headers)

    assert answer.status_code == 401
    assert "POST /v1/sessions/refresh" in answer.json()["detail"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token {0}",
        "{0}",
        "Bearer {0} {0}",
        "Bearer\t{0}",
    ],
)
async def test_a_token_is_taken_from_nowhere_but_its_place(company, value):
    good = signed(claims_for(company.administrator_id, company.id))

    answer = await company.client.get("/v1/me", headers={"Authorization": value.format(good)})

    assert answer.status_code == 401


async def test_what_a_token_says_of_roles_gives_nothing(company):
    """Authority comes from the rows of the person, whatever a token claims besides."""
    person_id = await company.person()
    claims = claims_for(
        person_id,
        company.id,
        epoch=await company.epoch(person_id),
        platform="workboard",
        platform_role="administrator",
        roles=["administrator"],
        act={"sub": str(company.administrator_id)},
        assignments=[{"id": str(uuid7()), "role": "administrator"}],
    )
    headers = {"Authorization": f"Bearer {signed(claims)}"}

    assert (await company.client.get("/v1/me/permissions", headers=headers)).json() == {"items": []}
    assert (await company.client.get("/v1/audit-events", headers=headers)).status_code == 403


async def test_a_token_for_another_organization_opens_nothing(company, app):
    from tests.support.identity import make_company

    other = await make_company(app)
    headers = {"Authorization": f"Bearer {signed(claims_for(company.administrator_id, other.id))}"}

    # Nobody of that id is there: as for somebody whom the directory does not know yet.
    assert (await other.client.get("/v1/me", headers=headers)).status_code == 503


async def test_an_older_epoch_is_refused_and_a_newer_one_waits(company):
    person_id = await company.person("product_owner")
    epoch = await company.epoch(person_id)
    statuses = []
    for claimed in (epoch - 1, epoch):
        company.app.state.runtime.authorities.forget()
        headers = {
            "Authorization": f"Bearer {signed(claims_for(person_id, company.id, epoch=claimed))}"
        }
        statuses.append((await company.client.get("/v1/me", headers=headers)).status_code)

    assert statuses == [401, 200]
