"""Settings, read from the environment and typed; those of one service process among them."""

from typing import Any, TypeVar

from pydantic import Field, Json, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.wording import plain_words

PREFIX = "CAIRN_"
LOOP_CONNECTIONS = 5
"""Connections that the loops of a process may hold beside those of its requests."""

Settings = TypeVar("Settings", bound=BaseSettings)


class WrongSetting(ValueError):  # noqa: N818 - named after what happened, like the problems
    """A setting cannot be used; the text names it with the fix, on one line."""


class MissingSetting(WrongSetting):
    """A setting that is needed is not there; the text names all of them."""


class ServiceSettings(BaseSettings):
    """What a service process is told; a missing one stops it before it listens."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    service: str
    """Which of the services this process is; also its name in tokens between services."""
    service_database_url: SecretStr
    """`postgresql+asyncpg://…` of the service's login role, which owns nothing."""
    sealing_key: SecretStr
    """Seals cursors and whatever the service keeps encrypted at rest."""
    peer_keys: Json[dict[str, SecretStr]]
    """`{"caller>callee": key}` for the pairs that this process takes part in, and no others."""
    peers: Json[dict[str, list[str]]]
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


def read(kind: type[Settings], **told: Any) -> Settings:
    """Settings from the environment, or from what is told; `WrongSetting` without any value."""
    try:
        return kind(**told)
    except ValidationError as error:
        raise _in_words(kind, error) from None


def _in_words(kind: type[BaseSettings], error: ValidationError) -> WrongSetting:
    faults = error.errors(include_url=False, include_input=False)
    missing = [_name(fault) for fault in faults if fault["type"] == "missing"]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return MissingSetting(f"{', '.join(missing)} {verb} not set.")
    is_needed = kind.model_fields[str(faults[0]["loc"][0])].is_required()
    fix = "Correct it." if is_needed else "Correct it or leave it out."
    words = plain_words(faults[0])
    return WrongSetting(f"{_name(faults[0])} cannot be used: {words}. {fix}")


def _name(fault: Any) -> str:
    return f"{PREFIX}{fault['loc'][0]}".upper()
