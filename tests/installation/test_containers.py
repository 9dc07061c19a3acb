"""The files for containers name commands, ports and settings that exist."""

import json
import re
from pathlib import Path

import pytest
import typer.main
import yaml

from services.cli.commands import app
from services.installation import GATEWAY, SERVICES, InstallationSettings, known_settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
OUTSIDE = {"POSTGRES_PASSWORD"}


def parsed(arguments):
    """The options that the `cairn` command reads from arguments; fails on any that it has not."""
    group = typer.main.get_command(app)
    name, *rest = arguments
    return group.commands[name].make_context(name, list(rest)).params


@pytest.mark.parametrize("process", [GATEWAY, *SERVICES])
def test_each_process_is_served_where_its_peers_look_for_it(process):
    container = COMPOSE["services"][process]

    params = parsed(container["command"])

    assert params["process"] == process
    assert params["host"] == "0.0.0.0"
    settings = str(params["settings"])
    assert settings == f"/settings/{process}/settings.env"
    assert container["volumes"] == [f"{process}:/settings/{process}:ro"]
    if process != GATEWAY:
        peers = json.loads(COMPOSE["services"]["migrate"]["environment"]["CAIRN_PEERS"])
        assert peers[process] == [f"http://{process}:{params['port']}"]


def test_the_gateway_alone_is_published():
    published = {name for name, held in COMPOSE["services"].items() if "ports" in held}

    assert published == {GATEWAY}
    inside = COMPOSE["services"][GATEWAY]["ports"][0].rpartition(":")[2]
    assert int(inside) == parsed(COMPOSE["services"][GATEWAY]["command"])["port"]


def test_migrate_writes_every_processs_settings_before_one_starts():
    migrate = COMPOSE["services"]["migrate"]

    assert str(parsed(migrate["command"])["write_settings"]) == "/settings"
    for process in (GATEWAY, *SERVICES):
        assert f"{process}:/settings/{process}" in migrate["volumes"]
        depends = COMPOSE["services"][process]["depends_on"]
        assert depends["migrate"]["condition"] == "service_completed_successfully"


def test_only_migrate_knows_the_root_secret():
    knowing = [name for name, held in COMPOSE["services"].items() if "CAIRN_SECRET" in str(held)]

    assert knowing == ["migrate"]


def test_every_setting_that_compose_gives_exists():
    given = COMPOSE["services"]["migrate"]["environment"]

    assert set(given) <= known_settings()
    plain = {name: held for name, held in given.items() if "$" not in held}
    InstallationSettings.model_validate(
        {name.removeprefix("CAIRN_").lower(): held for name, held in plain.items()}
    )


def test_every_variable_of_compose_is_explained_in_the_example_and_the_other_way_round():
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    explained = set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))

    assert used == explained
    assert explained - OUTSIDE <= known_settings()


def test_the_database_is_postgresql_18():
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"


def test_the_image_runs_as_nobody_special_and_is_checked():
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]

    assert re.search(r"^USER cairn$", last_stage, re.MULTILINE)
    assert "/readyz" in last_stage
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", last_stage, re.MULTILINE)[1])
    command = json.loads(re.search(r"^CMD (.*)$", last_stage, re.MULTILINE)[1])
    assert entry == ["cairn"]
    assert parsed(command)["process"] == GATEWAY
    exposed = int(re.search(r"^EXPOSE (\d+)$", last_stage, re.MULTILINE)[1])
    assert exposed == parsed(command)["port"]


def test_what_the_image_copies_exists_and_is_let_through():
    let_through = set((ROOT / ".dockerignore").read_text().split())
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in let_through
