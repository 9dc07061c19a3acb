"""What an operator sets, what is refused, and what each process is told."""

import json
from pathlib import Path

import pytest

from services.installation import (
    GATEWAY,
    SERVICES,
    CannotRun,
    Installation,
    InstallationSettings,
    Keys,
    known_settings,
)

ROOT = "r" * 64


@pytest.fixture
def installation(no_settings) -> Installation:
    no_settings.setenv("CAIRN_SECRET", ROOT)
    no_settings.setenv("CAIRN_OKR_PROCESSES", "2")
    no_settings.setenv("CAIRN_GATEWAY_BODY_BYTES", "2048")
    no_settings.setenv("CAIRN_DATABASE_URL", "postgresql://admin:word@db/postgres")
    return Installation(InstallationSettings.read(), Keys(ROOT), Path("/run/cairn"))


def test_nothing_needs_to_be_set(no_settings):
    settings = InstallationSettings.read()

    assert settings.is_embedded
    assert settings.issuer == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("CAIRN_PROT", "1", "did you mean CAIRN_PORT?"),
        ("CAIRN_OKR_PROCESS", "2", "did you mean CAIRN_OKR_PROCESSES?"),
        ("CAIRN_GATEWAY_BODY_BYTE", "2", "did you mean CAIRN_GATEWAY_BODY_BYTES?"),
        ("CAIRN_SEALING_KEY", "x", "is not a setting of Cairn"),
        ("CAIRN_PORT", "eighty", "must be a whole number"),
        ("CAIRN_PORT", "70000", "must be at most 65535"),
        ("CAIRN_ENVIRONMENT", "prod", "must be one of development, production"),
        ("CAIRN_PUBLIC_ADDRESS", "okr.example", "such as https://okr.example"),
        ("CAIRN_PUBLIC_ADDRESS", "https://okr.example?a=b", "such as https://okr.example"),
        ("CAIRN_SECRET", "short", "shorter than 32 characters"),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix(no_settings, name, value, fix):
    no_settings.setenv(name, value)

    with pytest.raises(CannotRun) as refused:
        InstallationSettings.read()

    assert name in str(refused.value)
    assert fix in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("CAIRN_CORS_ORIGINS", "*", "'*' is no exact origin such as https://okr.example"),
        ("CAIRN_GATEWAY_BODY_BYTES", "0", "must be at least 1"),
        ("CAIRN_GATEWAY_TRUSTED_PROXIES", "proxy.example", "Correct it"),
        ("CAIRN_STATEMENT_CACHE", "perhaps", "must be true or false"),
    ],
)
def test_what_a_process_would_refuse_is_refused_before_anything_begins(
    no_settings, name, value, fix
):
    no_settings.setenv(name, value)
    installation = Installation(InstallationSettings.read(), Keys(ROOT), Path("/run/cairn"))

    with pytest.raises(CannotRun) as refused:
        installation.check_processes()

    assert str(refused.value).startswith(f"{name} cannot be used: ")
    assert fix in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_processes_are_told_by_default_is_what_they_take(installation):
    installation.check_processes()


def test_the_value_of_a_wrong_secret_is_not_shown(no_settings):
    no_settings.setenv("CAIRN_SECRET", "hush-hush")

    with pytest.raises(CannotRun) as refused:
        InstallationSettings.read()

    assert "hush" not in str(refused.value)


def test_peers_that_are_no_addresses_are_refused(no_settings):
    no_settings.setenv("CAIRN_PEERS", '{"identity": []}')
    installation = Installation(InstallationSettings.read(), Keys(ROOT), Path("/run/cairn"))

    with pytest.raises(CannotRun, match="CAIRN_PEERS"):
        installation.peers()


@pytest.mark.parametrize("name", [GATEWAY, *SERVICES])
def test_a_process_is_told_neither_the_root_secret_nor_the_administrators_address(
    installation, name
):
    told = installation.environment_of(name, "postgresql+asyncpg://its-own")

    assert ROOT not in str(told)
    assert "admin:word" not in str(told)
    assert not {"CAIRN_SECRET", "CAIRN_DATABASE_URL"} & set(told)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_only_the_pairs_that_it_takes_part_in(installation, service):
    pairs = json.loads(installation.environment_of(service, "…")["CAIRN_PEER_KEYS"])

    assert f"{service}>{service}" in pairs
    assert f"operator>{service}" in pairs
    assert all(service in pair.split(">") for pair in pairs)


def test_the_gateway_is_told_no_key_at_all_but_its_own_limits(installation):
    told = installation.environment_of(GATEWAY)

    assert "KEY" not in "".join(told)
    assert told["CAIRN_GATEWAY_BODY_BYTES"] == "2048"
    assert "CAIRN_SERVICE_DATABASE_URL" not in told


def test_a_service_is_not_told_the_gateways_limits(installation):
    assert "CAIRN_GATEWAY_BODY_BYTES" not in installation.environment_of("okr", "…")


def test_every_process_of_a_service_has_an_address(installation):
    assert installation.peers()["okr"] == [
        "unix:/run/cairn/okr-0.sock",
        "unix:/run/cairn/okr-1.sock",
    ]
    assert json.loads(installation.environment_of("identity", "…")["CAIRN_PEERS"]) == (
        installation.peers()
    )


def test_no_two_keys_are_alike_and_another_root_makes_others():
    def made(keys: Keys) -> list[str]:
        return [
            *(keys.owner_password(service) for service in SERVICES),
            *(keys.login_password(service) for service in SERVICES),
            *(keys.sealing_key(service) for service in SERVICES),
            *(key for service in SERVICES for key in keys.pair_keys_of(service).values()),
        ]

    first = made(Keys(ROOT))
    pairs_counted_at_both_ends = 6
    assert len(set(first)) == len(first) - pairs_counted_at_both_ends
    assert made(Keys(ROOT)) == first
    assert not set(first) & set(made(Keys("s" * 64)))


def test_secrets_do_not_show_when_an_installation_is_printed(installation):
    assert ROOT not in f"{installation!r} {installation.keys!r} {installation.settings!r}"


def test_every_setting_of_a_process_is_known():
    known = known_settings()

    assert {"CAIRN_STATEMENT_CACHE", "CAIRN_GATEWAY_CONNECTIONS", "CAIRN_POOL_SIZE"} <= known
    assert not {"CAIRN_SERVICE", "CAIRN_PEER_KEYS", "CAIRN_SERVICE_DATABASE_URL"} & known
