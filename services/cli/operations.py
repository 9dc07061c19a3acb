"""What the operator does through the services' internal operations: organizations and imports."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kernel.errors import Unavailable
from kernel.http import ServiceClient
from services.installation import CannotRun
from services.progress import Watch
from services.supervisor import Running

OPERATOR = "operator"
WORKING_STATES = frozenset({"queued", "running"})
SECONDS_FOR_FILES = 120
LOOKING_EVERY = 0.3

OPTIONS = {
    "/slug": "SLUG",
    "/name": "--name",
    "/platform": "--platform",
    "/role": "--role",
    "/administrator_email": "--administrator",
    "/administrator_name": "--administrator",
    "/password": "The password",
    "/organization": "--organization",
    "/format": "--format",
}
"""What is called otherwise on the command line than in the body that is sent."""


@dataclass(frozen=True)
class ImportOrder:
    """What `cairn import` was asked for."""

    organization: str
    format: str
    files: Sequence[Path]
    dry_run: bool
    on_error: str
    create_units: bool


async def _answer(running: Running, service: str, method: str, path: str, **options: Any) -> Any:
    """The JSON of an internal operation; raises CannotRun with what the problem document says."""
    key = running.installation.keys.pair_key(f"{OPERATOR}>{service}")
    client = ServiceClient(OPERATOR, service, running.peers[service], key)
    try:
        response = await client.call(method, path, **options)
    except Unavailable as error:
        raise CannotRun(f"{error.detail} Look at the log of `cairn up`.") from None
    finally:
        await client.close()
    try:
        document = response.json()
    except ValueError:
        document = {}
    if response.is_success:
        return document
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        raise CannotRun(
            "The Cairn that runs on this data folder has another CAIRN_SECRET: set the same one."
        )
    raise CannotRun(_problem_line(document, response.status_code))


def _problem_line(document: dict[str, Any], status: int) -> str:
    faults = [
        f"{OPTIONS.get(error.get('pointer'), error.get('pointer'))}: {error.get('detail')}"
        for error in document.get("errors") or []
    ]
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and faults:
        return "; ".join(faults)
    line = str(document.get("detail") or document.get("title") or f"it answered {status}")
    return " ".join([line, *faults])


async def create_organization(running: Running, wanted: dict[str, Any]) -> dict[str, Any]:
    """Make an organization with its first administrator.

    `wanted`: `{slug, name, platform, administrator_email, administrator_name, role?, password?}`;
    answers `{organization_id, person_id, password?}`, the password only where it was made.
    """
    made: dict[str, Any] = await _answer(
        running, "identity", "POST", "/internal/organizations", json=wanted
    )
    return made


async def import_files(running: Running, order: ImportOrder, watch: Watch) -> dict[str, Any]:
    """Hand the files to okr and wait for the end; `watch` is told of the rows on the way.

    Answers okr's report: `state`, `failure`, the numbers of rows, `refused`, `notes`, `units_made`.
    """
    begun = await _answer(
        running,
        "okr",
        "POST",
        "/internal/imports",
        deadline=SECONDS_FOR_FILES,
        data={
            "organization": order.organization,
            "format": order.format,
            "dry_run": str(order.dry_run).lower(),
            "on_error": order.on_error,
            "create_units": str(order.create_units).lower(),
        },
        files=[("file", (path.name, _content(path))) for path in order.files],
    )
    report = begun
    while report["state"] in WORKING_STATES:
        await asyncio.sleep(LOOKING_EVERY)
        report = await _answer(
            running,
            "okr",
            "GET",
            f"/internal/imports/{begun['id']}",
            params={"organization": order.organization},
        )
        watch(report.get("rows_done") or 0, report.get("rows_total"))
    finished: dict[str, Any] = report
    return finished


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotRun(f"{path} cannot be read ({error.strerror}): name another file.") from None
