"""A bar on the terminal for what takes longer than two seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PATIENCE_WITHOUT_A_BAR = 2.0

Watch = Callable[[int, int | None], None]
"""Is told how much is done, and of how much where that is known."""


@contextmanager
def progress_bar(doing: str) -> Iterator[Watch]:
    """What to tell the progress to; shown once it takes long, and nowhere but on a terminal."""
    begun = time.monotonic()
    bar = Progress(
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    task = bar.add_task(doing, total=None)

    def watch(done: int, total: int | None) -> None:
        if time.monotonic() - begun > PATIENCE_WITHOUT_A_BAR:
            bar.start()
        bar.update(task, total=total, completed=done)

    try:
        yield watch
    finally:
        bar.stop()
