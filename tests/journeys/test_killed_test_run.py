"""What a test run starts ends with the run, even where nobody is left to stop it."""

import subprocess
import sys

from tests.journeys.conftest import Cairn, MakeCairn, wait_until

RUN = """
import sys, time
from pathlib import Path
from tests.journeys.conftest import Cairn
Cairn(Path(sys.argv[1])).start()
time.sleep(600)
"""


def is_serving(cairn: Cairn) -> bool:
    return any("bin/postgres" in command for command in cairn.processes().values())


def test_an_installation_ends_with_a_test_run_that_is_killed(new_cairn: MakeCairn):
    cairn = new_cairn()
    run = subprocess.Popen([sys.executable, "-c", RUN, str(cairn.data.parent)])
    wait_until(lambda: is_serving(cairn), "the installation of the run has come up")

    run.kill()
    run.wait()

    cairn.assert_nothing_runs()
