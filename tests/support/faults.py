"""Ways in which a process of a running installation fails, each undone by whoever made it."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from tests.journeys.conftest import wait_until
from tests.support import behind
from tests.support.companies import Standing

MOST_SECONDS_TO_RECOVER = 90


def numbers_of(standing: Standing, part: str) -> list[int]:
    """The processes whose command line contains `part`."""
    return [number for number, command in standing.cairn.processes().items() if part in command]


def kill_one(standing: Standing, part: str) -> None:
    """kill -9 of one of these processes; returns when it is gone and everything is whole again."""
    killed = random.choice(numbers_of(standing, part))
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in standing.cairn.processes(), f"{part} is gone")
    wait_until(lambda: standing.is_whole, "every service is ready", MOST_SECONDS_TO_RECOVER)


@contextmanager
def hanging(standing: Standing, service: str) -> Iterator[None]:
    """The process is stopped where it is: it takes connections and says nothing."""
    number = standing.cairn.process_of(f"serve {service}")
    os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(number, signal.SIGCONT)


@contextmanager
def kept_dead(standing: Standing, service: str) -> Iterator[None]:
    """The process is killed, and again as often as the supervisor starts it."""
    ended = threading.Event()

    def kill() -> None:
        for number in numbers_of(standing, f"serve {service}"):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def keep_dead() -> None:
        while not ended.wait(0.1):
            kill()

    keeper = threading.Thread(target=keep_dead, daemon=True)
    kill()
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


@contextmanager
def losing_events(standing: Standing, service: str, destination: str) -> Iterator[None]:
    """What the service would tell one destination gets lost: the control of what is promised."""
    function = (
        "CREATE FUNCTION lose_event() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    trigger = (
        "CREATE TRIGGER lose BEFORE INSERT ON outbox FOR EACH ROW"
        f" WHEN (NEW.destination = '{destination}') EXECUTE FUNCTION lose_event()"
    )
    for statement in (function, trigger):
        behind.rows(standing.cairn, service, statement)
    try:
        yield
    finally:
        behind.rows(standing.cairn, service, "DROP FUNCTION lose_event CASCADE")


Outage = Callable[[Standing, str], AbstractContextManager[None]]
OUTAGES: dict[str, Outage] = {"hangs": hanging, "is-dead": kept_dead}
