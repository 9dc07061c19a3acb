"""What a process of identity does beside requests: keys are made in time, counters forgotten."""

import time

from kernel.app import Runtime
from services.identity.tokens import commands

# Far below the days after which a key gets a successor or a counter counts no more.
_EVERY = 1800.0


async def make_first_key(runtime: Runtime) -> None:
    """Before a process listens there is a key to sign with; `KeyDoesNotOpen` stops it."""
    await commands.keep_signing_keys(
        runtime.engine, runtime.settings.sealing_key.get_secret_value()
    )


class Upkeep:
    """A loop's step that is woken by every commit of the process and works twice an hour."""

    def __init__(self) -> None:
        self._due_at = float("-inf")

    async def __call__(self, runtime: Runtime) -> bool:
        """Make the next key when the last has become old; forget counters that count no more."""
        if time.monotonic() < self._due_at:
            return False
        await make_first_key(runtime)
        await commands.forget_old_counters(runtime.engine)
        self._due_at = time.monotonic() + _EVERY
        return False


LOOPS = ((Upkeep(), _EVERY),)
