"""What is loaded waits at its gate, and once that is open nobody waits again."""

import contextlib
import os
import select

from services.programs import Gate


def would_wait(gate: Gate) -> bool:
    return not select.select([gate.descriptor], [], [], 0)[0]


def test_a_gate_holds_back_until_it_is_opened_and_nobody_after():
    with contextlib.closing(Gate()) as gate:
        assert would_wait(gate)

        gate.open()
        gate.open()

        assert [os.read(gate.descriptor, 1) for _ in range(2)] == [b"", b""]


def test_a_gate_that_was_never_opened_lets_go_of_whoever_waits():
    gate = Gate()
    waiting = os.dup(gate.descriptor)

    gate.close()

    assert os.read(waiting, 1) == b""
    os.close(waiting)
