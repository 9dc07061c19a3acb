"""The settings of one service process, read from the environment and typed."""

from pydantic import Field, Json, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOP_CONNECTIONS = 5
"""Connections that the loops of a process may hold beside those of its requests."""


class ServiceSettings(BaseSettings):
    """What a service process is told; a missing one stops it before it listens."""

    model_config = SettingsConfigDict(env_prefix="CAIRN_", frozen=True)

    service: str
    """Which of the services this process is; also its name in tokens between services."""
    service_database_url: SecretStr
    """`postgresql+asyncpg://…` of the service's login role, which owns nothing."""
    sealing_key: SecretStr
    """Seals cursors and whatever the service keeps encrypted at rest."""
    peer_keys: Json[dict[str, SecretStr]] = Field(default_factory=dict)
    """`{"caller>callee": key}` for the pairs that this process takes part in, and no others."""
    peers: Json[dict[str, list[str]]] = Field(default_factory=dict)
    """Service name → its addresses, `unix:/path.sock` or `http://host:port`."""
    issuer: str
    """The public address of the gateway: the `iss` of tokens."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    pool_size: int = Field(default=10, ge=1, le=500)
    """Connections to PostgreSQL for requests to this process; its loops hold up to 5 more."""
    statement_cache: bool = True
    """Off behind PgBouncer in transaction mode."""
    run_loops: bool = True
    """Off in tests, which call the loops' single steps themselves."""
