"""`cairn import`: the files handed over, progress while it takes long, the report as lines."""

from typing import Any

from services.cli.operations import ImportOrder, import_files
from services.cli.terminal import murmur, say
from services.installation import CannotRun, InstallationSettings
from services.progress import progress_bar
from services.supervisor import installation_running

FAILED = "failed"


async def carry_out(order: ImportOrder) -> None:
    """Import and print the report; raises CannotRun when anything was refused."""
    settings = InstallationSettings.read()
    missing = next((path for path in order.files if not path.is_file()), None)
    if missing is not None:
        raise CannotRun(f"{missing} is no file: name the files to import.")
    async with installation_running(settings, murmur) as running:
        with progress_bar("Importing rows") as watch:
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
