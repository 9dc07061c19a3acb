"""`cairn import`: the files handed over, progress while it takes long, the report as lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.operations import ImportOrder, Watch, import_files
from services.cli.terminal import murmur, say
from services.installation import CannotRun, InstallationSettings
from services.supervisor import installation_running

PATIENCE_WITHOUT_A_BAR = 2.0
FAILED = "failed"


@contextmanager
def progress_bar() -> Iterator[Watch]:
    """A bar on the terminal once the work takes longer than two seconds; none anywhere else."""
    begun = time.monotonic()
    bar = Progress(
        TextColumn("Importing rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    task = bar.add_task("rows", total=None)

    def watch(report: dict[str, Any]) -> None:
        if time.monotonic() - begun > PATIENCE_WITHOUT_A_BAR:
            bar.start()
        bar.update(task, total=report.get("rows_total"), completed=report.get("rows_done") or 0)

    try:
        yield watch
    finally:
        bar.stop()


async def carry_out(order: ImportOrder) -> None:
    """Import and print the report; raises CannotRun when anything was refused."""
    settings = InstallationSettings.read()
    missing = next((path for path in order.files if not path.is_file()), None)
    if missing is not None:
        raise CannotRun(f"{missing} is no file: name the files to import.")
    async with installation_running(settings, murmur) as running:
        with progress_bar() as watch:
            report = await import_files(running, order, watch)
    print_report(report, order)
    # A file that cannot be read at all is refused without a single row.
    if report["state"] == FAILED or report["refused"]:
        raise CannotRun(_verdict(report, order))


def print_report(report: dict[str, Any], order: ImportOrder) -> None:
    """The numbers, the units made, then notes and refused rows, in the order of the files named.

    Whoever names the goals first is first told what refuses a goal, and then what hangs on it.
    """
    turn = {path.name: number for number, path in enumerate(order.files)}
    verb = "Would import" if order.dry_run else "Read"
    say(
        f"{verb} {report['rows_total']} rows: {report['created']} created, "
        f"{report['updated']} updated, {report['unchanged']} unchanged, "
        f"{report['rows_refused']} refused."
    )
    if report["units_made"]:
        say(f"Units {'to make' if order.dry_run else 'made'}: {', '.join(report['units_made'])}")
    for note in sorted(report["notes"], key=lambda note: turn.get(note["file"], 0)):
        say(f"{note['file']}:{note['line']}: {note['note']}")
    for row in sorted(report["refused"], key=lambda row: turn.get(row["file"], 0)):
        place = ":".join(str(row[part]) for part in ("file", "line", "column") if row[part])
        say(f"{place}: {row['reason']}")


def _verdict(report: dict[str, Any], order: ImportOrder) -> str:
    if report["state"] == FAILED:
        reason = report["failure"] or "see the log of okr."
        return f"The import failed and changed nothing: {reason}"
    kept = "the others are in" if order.on_error == "skip_row" else "nothing was imported"
    outcome = "nothing was changed, it is a dry run" if order.dry_run else kept
    count = report["rows_refused"]
    refused = "1 row was" if count == 1 else f"{count} rows were" if count else "A file was"
    return f"{refused} refused; {outcome}. Mend what is named above and import again."
