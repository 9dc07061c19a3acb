"""Commands beside services that run elsewhere, as those of containers do."""

import json
from pathlib import Path

from services.data_folder import DataFolder
from services.embedded import address_of
from tests.journeys.conftest import Cairn, MakeCairn


def test_a_command_asks_the_services_that_run_elsewhere(cairn: Cairn, new_cairn: MakeCairn):
    cairn.up()
    running = json.loads((cairn.data / "running.json").read_text())
    database = address_of(DataFolder(cairn.data), Path(running["sockets"]))
    beside = new_cairn(
        CAIRN_SECRET=(cairn.data / "secret").read_text().strip(),
        CAIRN_DATABASE_URL=database.text.replace("+asyncpg", ""),
        CAIRN_PEERS=json.dumps(running["peers"]),
    )

    made = beside.run(
        "create-organization", "acme", "--platform", "vabro", "--administrator", "ada@acme.test"
    )
    examined = beside.run("doctor")

    assert made.returncode == 0, made.stderr
    assert "Starting" not in made.stdout + made.stderr, "services of its own were started"
    password = made.stdout.split("shown this once: ")[1].split()[0]
    assert cairn.login("acme", "ada@acme.test", password)
    assert examined.returncode == 0, examined.stdout
