"""What tests of imports ask for: files written on the spot, sent and carried out at once."""

import csv
import io
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from contracts.identity import UnitRecord
from kernel import jobs
from kernel.ids import uuid7
from services.okr.imports.formats.neutral import CHECK_IN_COLUMNS, GOAL_COLUMNS, OUTCOME_COLUMNS
from services.okr.imports.jobs import handlers
from services.okr.objectives.models import KeyResult, Objective
from tests.support.okr import World

QUARTER = {"cycle": "Q1", "starts_on": "2024-01-01", "ends_on": "2024-03-31"}


def table(columns: list[str], rows: list[dict[str, Any]], separator: str = ",") -> bytes:
    """A CSV file of these rows; cells that are not named are empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def goals(*rows: dict[str, Any]) -> tuple[str, bytes]:
    return "goals.csv", table(GOAL_COLUMNS, list(rows))


def check_ins(*rows: dict[str, Any]) -> tuple[str, bytes]:
    return "check-ins.csv", table(CHECK_IN_COLUMNS, list(rows))


def outcomes(*rows: dict[str, Any]) -> tuple[str, bytes]:
    return "outcomes.csv", table(OUTCOME_COLUMNS, list(rows))


def objective(row_id: str, parent: str = "", **cells: Any) -> dict[str, Any]:
    """A row of the company's level in a past quarter unless said otherwise."""
    row = {"row_id": row_id, "parent_row_id": parent, "kind": "objective", "title": f"Aim {row_id}"}
    return row | {"level": "company", "unit": "Board"} | QUARTER | cells


def key_result(row_id: str, parent: str, **cells: Any) -> dict[str, Any]:
    row = {"row_id": row_id, "parent_row_id": parent, "kind": "key_result"}
    row |= {"title": f"Measure {row_id}", "metric_kind": "increase", "level": "company"}
    return row | {"unit": "Board"} | QUARTER | cells


@dataclass
class Identity:
    """Stands in for identity: makes units and tells okr of them, as the relay would."""

    world: World
    refuses: str | None = None
    is_silent: bool = False
    asked: list[Any] = field(default_factory=list)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((method, path, options.get("json")))
        if method == "GET":
            known = path == f"/internal/organizations/of-{self.world.id}"
            return _answer(200 if known else 404, {"id": str(self.world.id)})
        if self.refuses is not None:
            return _answer(409, {"detail": self.refuses, "errors": []})
        made = []
        for unit in options["json"]["units"]:
            made.append({"id": str(uuid7()), "name": unit["name"]})
            if not self.is_silent:
                await name_unit(self.world, unit["name"], UUID(made[-1]["id"]))
        return _answer(200, {"units": made})


def _answer(status: int, document: Any) -> Any:
    return SimpleNamespace(status_code=status, is_success=status < 400, json=lambda: document)


async def name_unit(world: World, name: str, unit_id: UUID | None = None) -> UUID:
    """Tell okr of a unit of that name below the root."""
    unit_id = unit_id or uuid7()
    await world.tell(
        UnitRecord(
            id=unit_id,
            version=world.next_version(),
            title=name,
            kind="team",
            parent_id=world.root_id,
            is_archived=False,
        )
    )
    return unit_id


@dataclass
class Importer:
    """Somebody who may import, in an organization of their own."""

    world: World
    identity: Identity
    person_id: UUID

    async def send(self, *files: tuple[str, bytes], status: int = 202, **options: Any) -> Any:
        """Ask for an import; it waits for its job."""
        asked = {"format": "neutral"} | {name: str(value) for name, value in options.items()}
        return await self.world.call(
            self.person_id,
            "POST",
            "/v1/imports",
            status=status,
            data=asked,
            files=[("file", each) for each in files],
        )

    async def carry_out(self) -> None:
        """Run the jobs that wait, as the loop of the service does."""
        while await jobs.run_due_job(self.world.engine, handlers(self.identity)):
            pass

    async def report(self, started: Any) -> Any:
        return await self.world.call(self.person_id, "GET", f"/v1/imports/{started['id']}")

    async def bring(self, *files: tuple[str, bytes], **options: Any) -> Any:
        """Import files from beginning to end; the report."""
        started = await self.send(*files, **options)
        await self.carry_out()
        return await self.report(started)

    async def objectives(self) -> dict[str, Any]:
        """Everything that the API shows of objectives, by source id."""
        found: dict[str, Any] = {}
        cursor: dict[str, Any] = {}
        source_ids = await self.source_ids()
        while True:
            page = await self.world.call(
                self.person_id, "GET", "/v1/objectives", params={"limit": 200} | cursor
            )
            found |= {source_ids[each["id"]]: each for each in page["items"]}
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    async def source_ids(self) -> dict[str, str]:
        """The source id behind every imported goal's id, which the API does not show."""
        found: dict[str, str] = {}
        async with self.world.session() as session:
            for table in (Objective, KeyResult):
                rows = await session.execute(select(table.id, table.source_id))
                found |= {str(row.id): (row.source_id or "").partition(":")[2] for row in rows}
        return found

    async def key_results(self) -> dict[str, Any]:
        """Key results by source id."""
        source_ids = await self.source_ids()
        return {
            source_ids[each["id"]]: each
            for goal in (await self.objectives()).values()
            for each in goal["key_results"]
        }


@pytest.fixture
async def importer(world: World) -> Importer:
    return Importer(world, Identity(world), await world.person("imports.run@org"))
