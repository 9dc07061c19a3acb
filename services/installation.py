"""What an installation is: its settings, the keys of its secret, what each process is told."""

import difflib
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.config import LOOP_CONNECTIONS, PREFIX, ServiceSettings, WrongSetting, read

SERVICES = ("identity", "okr", "feedback")
GATEWAY = "gateway"
# Every service delivers its outbox to itself as well; the operator is the `cairn` command.
PAIRS = tuple(
    f"{caller}>{callee}"
    for caller, callees in {
        "identity": ("identity", "okr", "feedback"),
        "okr": ("identity", "okr", "feedback"),
        "feedback": ("identity", "okr", "feedback"),
        "operator": ("identity", "okr", "feedback"),
    }.items()
    for callee in callees
)
# What `environment_of` decides for a process: an operator who sets one of these by hand would be
# overruled in silence, so they are refused instead.
DECIDED_HERE = frozenset(
    {"service", "service_database_url", "sealing_key", "peer_keys", "issuer", "run_loops"}
)
SHORTEST_SECRET = 32
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/-]*)?")


class CannotRun(Exception):  # noqa: N818  # it reads as the sentence that the operator sees
    """The installation cannot do what it was asked; the message names the setting and the fix."""


class InstallationSettings(BaseSettings):
    """The environment of the `cairn` command; each field is the variable `CAIRN_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data: Path = Path(".cairn")
    """Folder of everything the installation keeps: database, secret, sockets."""
    host: str = "127.0.0.1"
    """Address the gateway listens on."""
    port: int = Field(default=8000, ge=1, le=65535)
    """Port the gateway listens on."""
    database_url: SecretStr = SecretStr("")
    """`postgresql://…` of an administrator of any PostgreSQL >= 15; empty: the embedded one."""
    secret: SecretStr = SecretStr("")
    """Root of every key and password; made in the data folder on the first start when empty."""
    environment: Literal["development", "production"] = "development"
    """`production` refuses the demo."""
    public_address: str = ""
    """Issuer of tokens, as clients see the gateway; empty: `http://127.0.0.1:<port>`."""
    cors_origins: str = ""
    """Origins of browser applications, separated by commas."""
    demo_password: SecretStr = SecretStr("cairn-demo")
    """Password of every demo login."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log line that is written."""
    peers: str = ""
    """JSON `{service: [addresses]}` where services run elsewhere (containers); empty: sockets."""
    pool_size: int = Field(default=10, ge=1, le=500)
    """Connections for requests to one service process; its loops hold up to 5 more."""
    gateway_processes: int = Field(default=1, ge=1, le=64)
    """Gateway processes, all on the one port."""
    identity_processes: int = Field(default=1, ge=1, le=64)
    """Processes of identity."""
    okr_processes: int = Field(default=1, ge=1, le=64)
    """Processes of okr."""
    feedback_processes: int = Field(default=1, ge=1, le=64)
    """Processes of feedback."""

    @field_validator("public_address")
    @classmethod
    def _reached_by_clients(cls, address: str) -> str:
        if address and not _ADDRESS.fullmatch(address):
            raise ValueError("must be an address such as https://okr.example")
        return address

    @classmethod
    def read(cls) -> Self:
        """Read and check the environment; raises CannotRun with one line that names the setting."""
        refuse_unknown_settings(os.environ)
        try:
            settings = read(cls)
        except WrongSetting as fault:
            raise CannotRun(str(fault)) from None
        secret = settings.secret.get_secret_value()
        if secret and len(secret) < SHORTEST_SECRET:
            raise CannotRun(
                f"CAIRN_SECRET is shorter than {SHORTEST_SECRET} characters: "
                "make one with `openssl rand -hex 32`, or leave it out to have one made."
            )
        return settings

    @property
    def issuer(self) -> str:
        """The public address of the gateway."""
        return (self.public_address or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def is_embedded(self) -> bool:
        """True when PostgreSQL is the one that this installation starts itself."""
        return not self.database_url.get_secret_value()

    def processes_of(self, name: str) -> int:
        """How many processes of the gateway or of a service run."""
        count: int = getattr(self, f"{name}_processes")
        return count

    @property
    def connections(self) -> int:
        """Connections to PostgreSQL that all service processes together may hold."""
        processes = sum(self.processes_of(service) for service in SERVICES)
        return (self.pool_size + LOOP_CONNECTIONS) * processes


def settings_read_by(name: str) -> type[BaseSettings]:
    """What a process of the gateway or of a service reads of its environment."""
    if name == GATEWAY:
        from services.gateway.config import GatewaySettings

        return GatewaySettings
    return ServiceSettings


def settings_of_process(name: str) -> frozenset[str]:
    """Names of the variables that a process of the gateway or a service reads itself."""
    return frozenset(f"{PREFIX}{field}".upper() for field in settings_read_by(name).model_fields)


def known_settings() -> frozenset[str]:
    """Every variable that an operator may set: the installation's and those of its processes."""
    own = {PREFIX + field.upper() for field in InstallationSettings.model_fields}
    decided = {PREFIX + field.upper() for field in DECIDED_HERE}
    processes = frozenset[str]().union(
        *(settings_of_process(name) for name in (GATEWAY, *SERVICES))
    )
    return frozenset(own | (processes - decided))


def refuse_unknown_settings(environment: Mapping[str, str]) -> None:
    """Refuse a CAIRN_ variable that nothing reads: a misspelling that silence would hide."""
    known = known_settings()
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known:
            continue
        nearest = difflib.get_close_matches(name, sorted(known), n=1)
        fix = f"did you mean {nearest[0]}?" if nearest else "remove it."
        raise CannotRun(f"{name} is not a setting of Cairn: {fix}")


@dataclass(frozen=True, repr=False)
class Keys:
    """Everything secret, made from the root secret by HMAC with a label, so only one is kept."""

    root: str

    def _made_for(self, label: str) -> str:
        return hmac.new(self.root.encode(), f"cairn:{label}".encode(), hashlib.sha256).hexdigest()

    def owner_password(self, service: str) -> str:
        """Password of the role that owns the service's tables and runs its migrations."""
        return self._made_for(f"database owner {service}")

    def login_password(self, service: str) -> str:
        """Password of the role that the service logs in as."""
        return self._made_for(f"database login {service}")

    def sealing_key(self, name: str) -> str:
        """Key with which a process seals cursors and what it keeps encrypted."""
        return self._made_for(f"sealing {name}")

    def pair_key(self, pair: str) -> str:
        """Key of the tokens that `caller>callee` exchange."""
        return self._made_for(f"pair {pair}")

    def pair_keys_of(self, service: str) -> dict[str, str]:
        """The pairs that one service takes part in."""
        return {pair: self.pair_key(pair) for pair in PAIRS if service in pair.split(">")}


@dataclass(frozen=True, repr=False)
class Installation:
    """One installation, ready to say where each process listens and what it is told."""

    settings: InstallationSettings
    keys: Keys
    sockets: Path

    def socket_of(self, service: str, index: int) -> Path:
        """Unix socket of one service process."""
        return self.sockets / f"{service}-{index}.sock"

    def peers(self) -> dict[str, list[str]]:
        """Addresses of every service process, as the gateway and the services are told them."""
        if self.settings.peers:
            given: dict[str, list[str]] = _parsed_peers(self.settings.peers)
            return given
        return {
            service: [
                f"unix:{self.socket_of(service, index)}"
                for index in range(self.settings.processes_of(service))
            ]
            for service in SERVICES
        }

    def check_processes(self) -> None:
        """Raise CannotRun for a setting with which one of the processes would not begin."""
        for name in (GATEWAY, *SERVICES):
            told = self.environment_of(name)
            fields = {key.removeprefix(PREFIX).lower(): value for key, value in told.items()}
            try:
                read(settings_read_by(name), **fields)
            except WrongSetting as fault:
                raise CannotRun(str(fault)) from None

    def environment_of(self, name: str, database_url: str = "") -> dict[str, str]:
        """The CAIRN_ variables of one process, and none that another one's secrets are in.

        `database_url` is the address of the service's own login role; the gateway has none.
        """
        told = {
            "CAIRN_PEERS": json.dumps(self.peers()),
            "CAIRN_ISSUER": self.settings.issuer,
            "CAIRN_LOG_LEVEL": self.settings.log_level,
        }
        if name == GATEWAY:
            told["CAIRN_CORS_ORIGINS"] = self.settings.cors_origins
        else:
            told["CAIRN_SERVICE"] = name
            told["CAIRN_SERVICE_DATABASE_URL"] = database_url
            told["CAIRN_SEALING_KEY"] = self.keys.sealing_key(name)
            told["CAIRN_PEER_KEYS"] = json.dumps(self.keys.pair_keys_of(name))
            told["CAIRN_POOL_SIZE"] = str(self.settings.pool_size)
        own = {PREFIX + field.upper() for field in InstallationSettings.model_fields}
        read_by_process = settings_of_process(name) - own
        passed_on = {key: os.environ[key] for key in read_by_process if key in os.environ}
        return passed_on | told


def _parsed_peers(text: str) -> dict[str, list[str]]:
    try:
        peers = json.loads(text)
    except ValueError:
        peers = None
    if not isinstance(peers, dict) or set(peers) != set(SERVICES):
        raise CannotRun(
            'CAIRN_PEERS is not JSON like {"identity": ["http://identity:8000"], "okr": […], '
            '"feedback": […]}: correct it or leave it out.'
        )
    return {service: [str(address) for address in peers[service]] for service in SERVICES}


def environment_without_ours() -> dict[str, str]:
    """The environment that a child inherits: no setting of ours, nothing that libpq would read."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "PG"))
    }
