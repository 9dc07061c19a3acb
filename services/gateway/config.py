"""The settings of one gateway process, read from the environment and typed."""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, Json, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_ADDRESS = re.compile(r"unix:/.+|http://[A-Za-z0-9.\-\[\]:]+")


class GatewaySettings(BaseSettings):
    """What a gateway is told; a missing or wrong setting stops it before it listens.

    A limit of 0 is switched off. Limits are kept in the memory of one process: with n gateway
    processes behind a balancer a client gets up to n times as much.
    """

    model_config = SettingsConfigDict(env_prefix="CAIRN_", frozen=True)

    peers: Json[dict[str, list[str]]]
    """Service name → its addresses, `unix:/path.sock` or `http://host:port`."""
    issuer: str
    """The public address: the `iss` of tokens, the server of the OpenAPI document."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Exact origins of browser applications, separated by commas; `*` is refused."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    gateway_openapi: Path = Path(__file__).parents[2] / "openapi" / "cairn.json"
    """The merged document: what is served at /openapi.json, and which service answers what."""

    gateway_trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses or networks, separated by commas, whose `X-Forwarded-For` is believed: what ends
    TLS in front. Without it everybody behind such a proxy counts as one client address."""

    gateway_requests_per_minute: int = Field(default=60_000, ge=0)
    """Requests of one person."""
    gateway_anonymous_per_minute: int = Field(default=6_000, ge=0)
    """Requests without a valid token from one client address (of IPv6: one /64 network)."""
    gateway_requests_at_once: int = Field(default=256, ge=0)
    """Requests of one person, or without a valid token of one client address, under way together:
    nobody holds all connections to a service, whatever they leave unfinished."""
    gateway_failed_sign_ins_per_minute: int = Field(default=60, ge=0)
    """Refused `POST /v1/sessions` from one client address."""

    gateway_body_bytes: int = Field(default=1024 * 1024, ge=1)
    """Largest body of a request."""
    gateway_import_bytes: int = Field(default=25 * 1024 * 1024, ge=1)
    """Largest multipart body where files are taken."""

    gateway_connect_seconds: float = Field(default=0.4, gt=0)
    """Until a connection to a service stands; two addresses are tried within a second."""
    gateway_first_byte_seconds: float = Field(default=20, gt=0)
    """Until a service begins its answer, and between two parts of it."""
    gateway_total_seconds: float = Field(default=60, gt=0)
    """For one request as a whole."""
    gateway_import_seconds: float = Field(default=300, gt=0)
    """For one request with files as a whole, its answer's beginning included."""
    gateway_connections: int = Field(default=512, ge=1)
    """To one address of a service; further requests wait as for a connection, then get 503."""

    @field_validator("cors_origins", "gateway_trusted_proxies", mode="before")
    @classmethod
    def _split(cls, listed: str | tuple[str, ...]) -> tuple[str, ...]:
        entries = listed.split(",") if isinstance(listed, str) else listed
        return tuple(entry.strip() for entry in entries if entry.strip())

    @field_validator("cors_origins")
    @classmethod
    def _exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(f"{wrong[0]!r} is no exact origin such as https://okr.example")
        return origins

    @field_validator("peers")
    @classmethod
    def _reachable(cls, peers: dict[str, list[str]]) -> dict[str, list[str]]:
        for service, addresses in peers.items():
            if not addresses or not all(_ADDRESS.fullmatch(address) for address in addresses):
                raise ValueError(f"{service} needs addresses: unix:/path.sock or http://host:port")
        return peers

    @property
    def public_host(self) -> str:
        """The `Host` that services see, whatever the client sent."""
        return urlsplit(self.issuer).netloc
