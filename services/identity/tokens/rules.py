"""What tokens look like, how long they live, and how many wrong passwords are looked at."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwt.algorithms import RSAAlgorithm

from kernel.addresses import network_of

ACCESS_LIFETIME = timedelta(minutes=5)
IDLE_LIFETIME = timedelta(days=30)
"""A session that is not refreshed for so long is over."""
LONGEST_LIFETIME = timedelta(days=90)
"""However often it is refreshed, a session is over after that: sign in again."""
KEPT_AFTER_END = timedelta(days=30)
MOST_SESSIONS = 100
"""Live sessions a person; the next sign-in ends the one that was not used for longest."""

ROTATED_AFTER = timedelta(days=90)
PUBLISHED_AHEAD = timedelta(minutes=15)
"""A new key is published before it signs: services ask for keys every five minutes."""
VERIFIED_AFTER = ACCESS_LIFETIME + timedelta(minutes=5)
"""For how long a key is published after the last token that it has signed."""
KEY_BITS = 2048

FAILURE_WINDOW = timedelta(minutes=15)
PENDING_FORGOTTEN = timedelta(seconds=30)
"""An attempt whose process died is not pending for ever."""
TRUSTED_FOR = timedelta(days=30)
MOST_FAILURES: Mapping[str, int] = {"account_at_address": 10, "account": 30, "address": 100}
"""Wrong passwords within the window: of one account from one address, of one account from
anywhere (a guess from many addresses), and from one address (one guess at many accounts)."""

NO_ROLE = "none"
"""What tokens of somebody without any assignment say; no platform has a role of this name."""


class KeyDoesNotOpen(ValueError):  # noqa: N818 - named after what happened, like problems
    """A signing key was sealed with another CAIRN_SEALING_KEY (made from CAIRN_SECRET).

    Start with the secret under which this database was filled, or delete the rows of
    `signing_key`: a new key is made, and everybody signs in again.
    """


def derived_key(sealing_key: str, purpose: str) -> bytes:
    """A key of 256 bits that serves one purpose."""
    return hmac.digest(sealing_key.encode(), purpose.encode(), "sha256")


def new_private_key() -> rsa.RSAPrivateKey:
    """An RSA key; making one takes some 100 ms of a core."""
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def sealed_private_key(sealing_key: str, key_id: str, private_key: rsa.RSAPrivateKey) -> bytes:
    """The private key encrypted with AES-256-GCM and bound to its id."""
    plain = private_key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    nonce = os.urandom(12)
    cipher = AESGCM(derived_key(sealing_key, "signing-key"))
    return nonce + cipher.encrypt(nonce, plain, key_id.encode())


def opened_private_key(sealing_key: str, key_id: str, sealed: bytes) -> rsa.RSAPrivateKey:
    """The private key again; `KeyDoesNotOpen` under another sealing key or id."""
    cipher = AESGCM(derived_key(sealing_key, "signing-key"))
    try:
        plain = cipher.decrypt(sealed[:12], sealed[12:], key_id.encode())
    except InvalidTag as error:
        raise KeyDoesNotOpen(KeyDoesNotOpen.__doc__) from error
    key = serialization.load_der_private_key(plain, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_jwk(key_id: str, algorithm: str, private_key: rsa.RSAPrivateKey) -> dict[str, Any]:
    """The public part as RFC 7517 writes it."""
    numbers = json.loads(RSAAlgorithm.to_jwk(private_key.public_key()))
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": algorithm,
        "kid": key_id,
        "n": numbers["n"],
        "e": numbers["e"],
    }


def new_refresh_token(key: bytes, organization_id: UUID, session_id: UUID) -> str:
    """`<organization>.<session, 32 random bytes, tag>`: a guess fails without asking the database.

    The tag also tells a token that was used before from one that never was: so a session keeps
    the hash of its last token only, however often it is refreshed.
    """
    return _spelled(key, organization_id, session_id.bytes + os.urandom(32))


def session_of_refresh_token(key: bytes, text: str) -> tuple[UUID, UUID] | None:
    """(organization, session) of a token that this installation has made, in its one spelling."""
    organization, _, rest = text.partition(".")
    try:
        organization_id = UUID(organization)
        content = base64.b64decode(rest + "=" * (-len(rest) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    made = _spelled(key, organization_id, content[:48])
    if len(content) != 64 or not hmac.compare_digest(made.encode(), text.encode()):
        return None
    return organization_id, UUID(bytes=content[:16])


def _spelled(key: bytes, organization_id: UUID, content: bytes) -> str:
    tag = hmac.digest(key, organization_id.bytes + content, "sha256")[:16]
    return f"{organization_id}.{base64.urlsafe_b64encode(content + tag).decode().rstrip('=')}"


def digest_of(refresh_token: str) -> bytes:
    """What is stored of a refresh token."""
    return hashlib.sha256(refresh_token.encode()).digest()


@dataclass(frozen=True, slots=True)
class Counter:
    """One thing whose failed sign-ins are counted: its hash, and how many are looked at."""

    key: bytes
    most: int
    kind: str


def counters_of(key: bytes, organization: str, email: str, address: str) -> list[Counter]:
    """What an attempt counts for, whether the account exists or not.

    An address of IPv6 counts as its network: its customer has all the others in it as well.

    Only hashes under a key are kept: the table tells nobody who tried to sign in. In the order of
    the hashes, so that two attempts never wait for each other.
    """
    account, network = f"{organization}\n{email.lower()}", network_of(address)
    texts = {
        "account_at_address": f"{account}\n{network}",
        "account": account,
        "address": network,
    }
    counters = [
        Counter(hmac.digest(key, f"{kind}\n{text}".encode(), "sha256"), MOST_FAILURES[kind], kind)
        for kind, text in texts.items()
    ]
    return sorted(counters, key=lambda counter: counter.key)


def seconds_until(instant: datetime, now: datetime) -> int:
    """Whole seconds to wait, at least one."""
    return max(1, -int((now - instant).total_seconds() // 1))
