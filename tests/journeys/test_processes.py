"""Processes die and come back; any of them may run many times."""

import os
import signal
import threading
from collections import Counter

import pytest

from tests.journeys.conftest import Cairn, MakeCairn, wait_until

PATHS = ("/v1/platforms", "/v1/objectives", "/v1/feedback-requests")


@pytest.mark.parametrize(
    "part", ["serve identity", "serve okr", "serve feedback", "serve gateway", "bin/postgres"]
)
def test_a_killed_process_is_started_again(cairn: Cairn, part: str):
    cairn.up()
    killed = cairn.process_of(part)

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: "it is started again" in cairn.output, "its death is told")
    wait_until(lambda: numbers_of(cairn, part) not in ([], [killed]), "it runs again")
    wait_until(lambda: all_answer(cairn), "every service answers")
    assert cairn.stop() == 0
    cairn.assert_nothing_runs()


def test_two_processes_of_each_service_carry_the_load_when_one_of_each_is_killed(
    new_cairn: MakeCairn,
):
    names = ("GATEWAY", "IDENTITY", "OKR", "FEEDBACK")
    cairn = new_cairn(**{f"CAIRN_{name}_PROCESSES": "2" for name in names})
    cairn.up()
    wait_until(lambda: len(numbers_of(cairn, "serve gateway")) == 2, "both gateways run")
    answers: Counter[int] = Counter()
    done = threading.Event()

    def client(path: str) -> None:
        while not done.is_set():
            answers[cairn.status(path)] += 1

    clients = [threading.Thread(target=client, args=(path,)) for path in (*PATHS, PATHS[0])]
    for thread in clients:
        thread.start()
    for name in ("identity", "okr", "feedback"):
        os.kill(numbers_of(cairn, f"serve {name}")[0], signal.SIGKILL)
        wait_until(lambda: all_answer(cairn), "every service answers")
    os.kill(numbers_of(cairn, "serve gateway")[0], signal.SIGKILL)
    wait_until(lambda: cairn.output.count("it is started again") == 4, "all deaths are told")
    wait_until(lambda: all_answer(cairn), "every service answers")
    done.set()
    for thread in clients:
        thread.join()

    # A request that a dying process held is lost (0: the gateway's, 502 or 503: a service's).
    assert set(answers) <= {0, 200, 401, 502, 503}, answers
    lost = answers[0] + answers[502] + answers[503]
    assert lost < answers.total() / 2, answers


def numbers_of(cairn: Cairn, part: str) -> list[int]:
    return [number for number, command in cairn.processes().items() if part in command]


def all_answer(cairn: Cairn) -> bool:
    return all(cairn.status(path) in {200, 401} for path in PATHS)
