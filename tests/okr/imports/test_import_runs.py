"""Runs of imports: all or nothing, again and again, by whom and how large, and their faults."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from kernel import database, jobs
from kernel.calls import signed_call
from services.okr.alignment.commands import fold
from services.okr.alignment.models import HealthCount
from services.okr.checkins.models import CheckIn
from services.okr.cycles.models import Cycle
from services.okr.imports import commands
from services.okr.imports.commands import bringing, carrying, running
from services.okr.imports.jobs import handlers, run_import
from services.okr.imports.models import ImportFile, ImportRun
from services.okr.imports.rules import stored as stored_rules
from services.okr.objectives.models import KeyResult, Objective, ObjectiveStructure
from services.okr.tables import metadata
from tests.okr.imports.conftest import (
    Identity,
    Importer,
    check_ins,
    goals,
    key_result,
    name_unit,
    objective,
    outcomes,
)
from tests.support.okr import new_world
from tests.support.tokens import client_for

TREE = (
    goals(
        objective("O"),
        key_result("K", "O", target_value="10", start_value="0"),
        objective("P", "K", score="0.5"),
        key_result("L", "P", score="0.4"),
    ),
    check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "value": "3"}),
    outcomes({"row_id": "O", "outcome": "done"}, {"row_id": "L", "outcome": "missed"}),
)
ROWS = 7
NUMBERS = (
    "state",
    "rows_total",
    "created",
    "updated",
    "unchanged",
    "rows_refused",
    "refused",
    "notes",
)


def with_faults(*more):
    """A file with a refused row, what hangs on it, and one sound row."""
    rows = [objective("O"), objective("P", "gone"), key_result("K", "P"), *more]
    return goals(*rows), check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "score": "1"})


async def hashes(importer: Importer) -> dict[str, str]:
    """What every table holds of the organization, runs and messages apart."""
    found: dict[str, str] = {}
    skipped = {"import_run", "import_file", "outbox", "job"}
    async with importer.world.session() as session:
        for table in metadata.sorted_tables:
            if table.name not in skipped:
                statement = text(f'SELECT t::text FROM "{table.name}" t WHERE organization_id = :o')
                rows = await session.scalars(statement, {"o": importer.world.id})
                found[table.name] = hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
    return found


@pytest.mark.parametrize("change", [{"is_active": False}, {"assignments": []}])
async def test_an_import_that_waited_does_no_more_than_who_asked_for_it(
    importer: Importer, change: dict[str, Any]
):
    started = await importer.send(*TREE)
    before = await hashes(importer)
    person = importer.world.people[importer.person_id]
    await importer.world.change_person(importer.person_id, epoch=person.epoch + 1, **change)
    directory = {"directory_person"}

    await importer.carry_out()

    async with importer.world.session() as session:
        run = await session.get_one(ImportRun, (importer.world.id, UUID(started["id"])))
        assert (run.state, run.failure) == ("failed", running.NO_LONGER)
        assert await session.scalar(select(func.count()).select_from(ImportFile)) == 0
    after = await hashes(importer)
    assert {name for name in after if after[name] != before[name]} <= directory


async def test_a_file_is_imported_whole(importer: Importer):
    started = await importer.send(*TREE)
    assert started["state"] == "queued"
    await importer.carry_out()

    report = await importer.report(started)
    assert [report[each] for each in NUMBERS] == ["done", ROWS, ROWS, 0, 0, 0, [], []]
    assert (report["rows_done"], report["failure"]) == (ROWS, None)
    assert report["requested_by"] == str(importer.person_id)
    found = await importer.objectives()
    assert (found["O"]["state"], found["O"]["progress"]) == ("closed", 0.4)
    async with importer.world.session() as session:
        assert await session.scalar(select(func.count()).select_from(ImportFile)) == 0


async def test_one_refused_row_refuses_all(importer: Importer):
    before = await hashes(importer)

    report = await importer.bring(*with_faults())

    assert (report["state"], report["created"], report["rows_refused"]) == ("refused", 0, 3)
    places = [(each["file"], each["line"], each["column"]) for each in report["refused"]]
    assert places == [
        ("check-ins.csv", 2, "row_id"),
        ("goals.csv", 3, "parent_row_id"),
        ("goals.csv", 4, "parent_row_id"),
    ]
    assert await hashes(importer) == before


async def test_a_refused_row_may_be_left_out_with_all_that_hangs_on_it(importer: Importer):
    report = await importer.bring(*with_faults(), on_error="skip_row")

    assert (report["state"], report["created"], report["rows_refused"]) == ("done", 1, 3)
    assert report["created"] + report["rows_refused"] == report["rows_total"]
    assert set(await importer.objectives()) == {"O"}


@pytest.mark.parametrize("on_error", ["refuse_all", "skip_row"])
@pytest.mark.parametrize("files", [TREE, with_faults()])
async def test_a_dry_run_changes_nothing_and_reports_what_the_real_one_does(
    importer: Importer, files, on_error
):
    before = await hashes(importer)

    dry = await importer.bring(*files, on_error=on_error, dry_run=True)

    assert dry["dry_run"] is True
    assert await hashes(importer) == before
    assert await importer.world.goal_records() == []
    real = await importer.bring(*files, on_error=on_error)
    assert {each: dry[each] for each in NUMBERS} == {each: real[each] for each in NUMBERS}


async def test_the_same_files_again_change_nothing(importer: Importer):
    await importer.bring(*TREE)
    before = await hashes(importer)
    records = await importer.world.goal_records()

    report = await importer.bring(*TREE)

    assert (report["state"], report["unchanged"]) == ("done", ROWS)
    assert await hashes(importer) == before
    assert await importer.world.goal_records() == records


async def test_what_differs_is_updated(importer: Importer):
    await importer.bring(*TREE)
    was = await importer.objectives()

    report = await importer.bring(
        goals(
            objective("O", title="Another aim"),
            key_result("K", "O", target_value="20", start_value="0"),
            objective("P", "O", score="0.9"),
            key_result("L", "P", score="0.8"),
        ),
        check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "value": "4"}),
        outcomes({"row_id": "O", "outcome": "partial"}, {"row_id": "L", "outcome": "missed"}),
    )

    assert (report["created"], report["updated"], report["unchanged"]) == (0, 6, 1)
    found = await importer.objectives()
    assert (found["O"]["title"], found["O"]["outcome"]) == ("Another aim", "partial")
    assert found["O"]["version"] == was["O"]["version"] + 1
    assert found["O"]["id"] == was["O"]["id"]
    assert found["P"]["parent"]["kind"] == "objective"
    # Closed goals are computed anew by what their source corrects: (4 / 20 + 0.9) / 2.
    assert (found["O"]["state"], found["O"]["progress"]) == ("closed", 0.55)
    shown = await importer.key_results()
    assert (shown["K"]["current_value"], shown["L"]["progress"]) == (4, 0.8)


async def test_a_corrected_check_in_supersedes_and_erases_nothing(importer: Importer):
    first = check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "value": "3"})
    await importer.bring(TREE[0], first)
    for value in ("4", "5", "5"):
        row = {"row_id": "K", "checked_in_on": "2024-02-01", "value": value}
        await importer.bring(check_ins(row))

    async with importer.world.session() as session:
        found = list(
            await session.scalars(
                select(CheckIn).where(CheckIn.value.is_not(None)).order_by(CheckIn.id)
            )
        )
    assert [each.value for each in found] == [3, 4, 5]
    assert [each.supersedes_id for each in found] == [None, found[0].id, found[1].id]
    assert (await importer.key_results())["K"]["current_value"] == 5


async def test_an_empty_cell_leaves_what_is_there(importer: Importer):
    await importer.bring(
        goals(objective("O"), key_result("K", "O", start_value="1", target_value="2", score="0.5"))
    )

    report = await importer.bring(goals(objective("O"), key_result("K", "O")))

    assert (report["unchanged"], report["updated"]) == (2, 0)
    shown = (await importer.key_results())["K"]
    assert (shown["start_value"], shown["target_value"], shown["score"]) == (1, 2, 0.5)


async def test_kinds_of_files_may_come_one_after_the_other(importer: Importer):
    for file in TREE:
        report = await importer.bring(file)
        assert report["state"] == "done", report["refused"]

    found = await importer.objectives()
    assert (found["O"]["state"], found["O"]["progress"]) == ("closed", 0.4)
    assert (await importer.bring(*TREE))["unchanged"] == ROWS


async def test_new_goals_hang_below_those_of_earlier_imports(importer: Importer):
    await importer.bring(*TREE)

    await importer.bring(goals(objective("Q", "P"), key_result("M", "L", score="1")))

    found = await importer.objectives()
    assert found["Q"]["parent"]["id"] == found["P"]["id"]
    assert [each["title"] for each in found["P"]["key_results"]] == ["Measure L", "Measure M"]


async def test_two_imports_at_once_make_no_duplicates(importer: Importer):
    started = [await importer.send(*TREE) for _ in range(3)]

    def one():
        return jobs.run_due_job(importer.world.engine, handlers(importer.identity))

    await asyncio.gather(one(), one())
    await importer.carry_out()

    reports = [await importer.report(each) for each in started]
    assert sorted(each["created"] for each in reports) == [0, 0, ROWS]
    assert sorted(each["unchanged"] for each in reports) == [0, ROWS, ROWS]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [";", "\t"])
async def test_encodings_separators_and_decimal_commas_arrive_over_http(
    importer: Importer, encoding, separator
):
    name, content = goals(objective("O", title="Größer: „schneller“", score="0.5"))
    text_of = content.decode().replace("0.5", "0_5").replace(",", separator).replace("0_5", "0,5")

    report = await importer.bring((name, text_of.encode(encoding)))

    assert report["created"] == 1, report["refused"]
    (shown,) = (await importer.objectives()).values()
    assert (shown["title"], shown["score"]) == ("Größer: „schneller“", 0.5)


async def test_fifty_thousand_and_one_rows_are_refused_whatever_is_skipped(importer: Importer):
    rows = [
        {"row_id": f"K{number}", "checked_in_on": "2024-02-01", "score": "1"}
        for number in range(50_001)
    ]

    report = await importer.bring(goals(objective("O")), check_ins(*rows), on_error="skip_row")

    assert (report["state"], report["created"]) == ("refused", 0)
    assert "at most 50000 rows" in report["refused"][-1]["reason"]
    assert await importer.objectives() == {}


async def test_twenty_six_mebibytes_are_refused(importer: Importer):
    async with importer.world.as_person(importer.person_id) as client:
        answer = await client.post(
            "/v1/imports",
            data={"format": "neutral"},
            files=[("file", ("big.csv", b"x" * 26 * 2**20))],
        )

    # The gateway, which has the same limit, says it as a problem document.
    assert answer.status_code == 413
    page = await importer.world.call(importer.person_id, "GET", "/v1/imports")
    assert page["items"] == []


async def test_more_than_a_mebibyte_is_taken(importer: Importer):
    rows = [objective(f"O{number}", title="x" * 290) for number in range(3_000)]

    report = await importer.bring(goals(*rows), dry_run=True)

    assert report["created"] == 3_000


@pytest.mark.parametrize(
    ("data", "files", "pointer"),
    [
        ({"format": "other"}, [("file", ("a.csv", b"a"))], "/format"),
        ({}, [("file", ("a.csv", b"a"))], "/format"),
        ({"format": "neutral", "on_error": "ask"}, [("file", ("a.csv", b"a"))], "/on_error"),
        ({"format": "neutral", "dry_run": "perhaps"}, [("file", ("a.csv", b"a"))], "/dry_run"),
        ({"format": "neutral", "drill": "true"}, [("file", ("a.csv", b"a"))], "/drill"),
        (
            {"format": "neutral", "dry_run": ["true", "false"]},
            [("file", ("a.csv", b"a"))],
            "/dry_run",
        ),
        ({"format": "neutral"}, [("other", ("a.csv", b"a"))], "/other"),
        ({"format": "neutral", "file": "text"}, [("files", ("a.csv", b"a"))], "/file/0"),
        ({"format": "neutral"}, [("file", (f"{each}.csv", b"a")) for each in range(21)], "/file"),
        ({"format": "neutral"}, [("files", (f"{each}.csv", b"a")) for each in range(21)], "/files"),
        ({"format": "neutral"}, [("file", ("", b""))], "/file/0"),
    ],
)
async def test_a_wrong_form_is_refused_by_its_field(importer: Importer, data, files, pointer):
    problem = await importer.world.call(
        importer.person_id, "POST", "/v1/imports", status=422, data=data, files=files
    )

    assert [each["pointer"] for each in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("multipart/form-data", b"no boundary is named"),
        ("multipart/form-data; boundary=x", b"what begins with no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: attachment\r\n\r\na"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_as_a_whole(
    importer: Importer, media_type, body
):
    problem = await importer.world.call(
        importer.person_id,
        "POST",
        "/v1/imports",
        status=400,
        content=body,
        headers={"Content-Type": media_type},
    )

    (error,) = problem["errors"]
    assert error["pointer"] == ""
    assert error["detail"].startswith("The body cannot be read: ")


async def test_a_file_that_comes_as_text_is_told_so(importer: Importer):
    form = {"data": {"format": "neutral", "file": "text"}, "files": [("files", ("a.csv", b"a"))]}
    problem = await importer.world.call(
        importer.person_id, "POST", "/v1/imports", status=422, **form
    )

    assert problem["errors"] == [
        {"pointer": "/file/0", "detail": "must be a file, and came as text"}
    ]


async def test_an_import_without_a_file_is_refused(importer: Importer):
    problem = await importer.send(status=422)

    assert problem["errors"][0]["pointer"] == "/file"


async def test_files_of_either_name_come_together(importer: Importer):
    started = await importer.world.call(
        importer.person_id,
        "POST",
        "/v1/imports",
        status=202,
        data={"format": "neutral"},
        files=[("file", TREE[0]), ("files", TREE[1]), ("file", TREE[2])],
    )
    await importer.carry_out()

    assert (await importer.report(started))["created"] == ROWS


async def test_a_file_that_is_no_table_is_refused_in_the_report(importer: Importer):
    report = await importer.bring(("../../etc/pass\x1bwd.csv", b"\x00\x01\x02"))

    assert report["state"] == "refused"
    assert report["refused"][0]["file"] == "passwd.csv"


async def test_imports_need_their_capability(importer: Importer):
    world = importer.world
    started = await importer.send(*TREE)
    other = await world.person("objectives.manage@org", "integrations.manage@org")
    for method, path, options in (
        ("POST", "/v1/imports", {"data": {"format": "neutral"}, "files": [("file", TREE[0])]}),
        ("GET", "/v1/imports", {}),
        ("GET", f"/v1/imports/{started['id']}", {}),
    ):
        await world.call(other, method, path, status=403, **options)


async def test_runs_of_another_organization_do_not_exist(importer: Importer, app):
    started = await importer.send(*TREE)
    world = await new_world(app)
    stranger = await world.person("imports.run@org")

    await world.call(stranger, "GET", f"/v1/imports/{started['id']}", status=404)
    assert (await world.call(stranger, "GET", "/v1/imports"))["items"] == []


async def test_the_same_source_ids_in_two_organizations_are_two_goals(importer: Importer, app):
    world = await new_world(app)
    other = Importer(world, Identity(world), await world.person("imports.run@org"))

    reports = [await each.bring(*TREE) for each in (importer, other)]

    assert [each["created"] for each in reports] == [ROWS, ROWS]
    ids = [{each["id"] for each in (await one.objectives()).values()} for one in (importer, other)]
    assert not ids[0] & ids[1]


async def test_runs_are_listed_in_numbers(importer: Importer):
    await importer.bring(*TREE)
    await importer.bring(*with_faults())

    page = await importer.world.call(importer.person_id, "GET", "/v1/imports")

    assert [(each["state"], each["rows_refused"]) for each in page["items"]] == [
        ("done", 0),
        ("refused", 3),
    ]
    assert "refused" not in page["items"][0]


async def test_a_repeated_key_imports_once(importer: Importer):
    headers = {"Idempotency-Key": "once"}
    first, second = [
        await importer.world.call(
            importer.person_id,
            "POST",
            "/v1/imports",
            status=202,
            data={"format": "neutral"},
            files=[("file", TREE[0])],
            headers=headers,
        )
        for _ in range(2)
    ]

    assert first == second
    page = await importer.world.call(importer.person_id, "GET", "/v1/imports")
    assert len(page["items"]) == 1


async def test_an_import_is_audited_at_its_start_and_at_its_end(importer: Importer):
    await importer.bring(*TREE)

    entries = await importer.world.audit_entries()
    assert [each["action"] for each in entries] == ["import.started", "import.ended"]
    assert {each["actor_id"] for each in entries} == {str(importer.person_id)}
    assert entries[-1]["details"] == {
        "created": ROWS,
        "updated": 0,
        "unchanged": 0,
        "rows_refused": 0,
        "state": "done",
        "dry_run": False,
    }


async def test_feedback_is_told_of_every_goal_in_the_state_it_has(importer: Importer):
    await importer.bring(*TREE)

    told = {each["id"]: each for each in await importer.world.goal_records()}
    found = await importer.objectives()
    key_results = await importer.key_results()
    assert {each["state"] for each in told.values()} == {"active", "closed"}
    assert told[found["O"]["id"]]["state"] == told[key_results["K"]["id"]]["state"] == "closed"
    assert told[found["P"]["id"]]["state"] == told[key_results["L"]["id"]]["state"] == "active"
    assert told[key_results["L"]["id"]]["objective_id"] == found["P"]["id"]
    assert len(told) == 4


async def test_structure_and_counters_are_kept_as_by_any_other_change(importer: Importer):
    await importer.bring(*TREE)

    found = await importer.objectives()
    async with importer.world.session() as session:
        kept = {row.objective_id: row for row in await session.scalars(select(ObjectiveStructure))}
        counters = list(await session.scalars(select(HealthCount)))
    closed = kept[UUID(found["O"]["id"])]
    assert (closed.state, len(closed.key_results)) == ("closed", 1)
    assert [each["link"] for each in kept[UUID(found["P"]["id"])].links] == ["contributes"]
    assert sum(each.objectives for each in counters) == 2
    assert not await importer.world.marks()


async def test_a_fold_afterwards_finds_everything_as_it_is(importer: Importer):
    await importer.bring(*TREE)
    before = await importer.objectives()
    async with importer.world.session() as session:
        for each in before.values():
            await importer.world.mark(UUID(each["id"]))
        driver = await database.driver_connection(session)
        await fold(driver, importer.world.id)

    after = await importer.objectives()
    for source_id, shown in before.items():
        assert (after[source_id]["progress"], after[source_id]["health"]) == (
            shown["progress"],
            shown["health"],
        )


async def test_many_goals_are_folded_in_several_turns_with_one_result(
    importer: Importer, monkeypatch
):
    monkeypatch.setattr(bringing, "_FOLDED_AT_ONCE", 2)
    rows = [objective("O"), *(objective(f"P{each}", "O") for each in range(7))]
    rows += [key_result(f"K{each}", f"P{each}", score="0.5") for each in range(7)]
    ended = [{"row_id": row["row_id"], "outcome": "done"} for row in rows]

    report = await importer.bring(goals(*rows), outcomes(*ended))

    assert report["created"] == 30
    assert (await importer.objectives())["O"]["progress"] == 0.5


async def test_progress_is_seen_while_the_import_still_runs(importer: Importer, monkeypatch):
    monkeypatch.setattr(running, "_SECONDS_BETWEEN_SIGNS", 0)
    seen: list[tuple[str, int, int]] = []
    tell = bringing._count

    def watch(place, decisions):
        tell(place, decisions)
        looked.append(asyncio.ensure_future(look()))

    async def look():
        report = await importer.report(started)
        seen.append((report["state"], report["rows_done"], len(await importer.objectives())))

    looked: list[asyncio.Future] = []
    monkeypatch.setattr(bringing, "_count", watch)
    started = await importer.send(goals(*(objective(f"O{each}") for each in range(1_700))))
    await importer.carry_out()
    await asyncio.gather(*looked)

    assert any(state == "running" and 0 < done < 1_700 for state, done, _ in seen), seen
    assert all(goals_seen == 0 for state, _, goals_seen in seen if state == "running")


class TestUnits:
    async def test_an_unknown_unit_refuses_its_row(self, importer: Importer):
        report = await importer.bring(goals(objective("O", level="team", unit="Sales")))

        assert report["refused"][0]["column"] == "unit"
        assert "'Sales'" in report["refused"][0]["reason"]

    async def test_units_are_made_by_identity_before_they_are_used(self, importer: Importer):
        rows = [
            objective("O", level="team", unit="Sales"),
            objective("P", level="department", unit="SALES"),
            objective("Q", level="team", unit="Harbour"),
        ]

        report = await importer.bring(goals(*rows), create_units=True)

        assert report["units_made"] == ["Sales", "Harbour"]
        (asked,) = importer.identity.asked
        assert asked[2]["units"][1] == {"name": "Harbour", "kind": "team"}
        found = await importer.objectives()
        assert found["O"]["unit_id"] == found["P"]["unit_id"] != found["Q"]["unit_id"]

    async def test_a_dry_run_says_which_units_and_makes_none(self, importer: Importer):
        row = objective("O", level="team", unit="Sales")

        report = await importer.bring(goals(row), create_units=True, dry_run=True)

        assert (report["units_made"], report["created"]) == (["Sales"], 1)
        assert importer.identity.asked == []

    async def test_a_refused_import_makes_no_units(self, importer: Importer):
        rows = [objective("O", level="team", unit="Sales"), objective("P", "gone")]

        report = await importer.bring(goals(*rows), create_units=True)

        assert (report["state"], report["units_made"]) == ("refused", [])
        assert importer.identity.asked == []
        assert [each["line"] for each in report["refused"]] == [3]

    async def test_units_of_rows_that_are_left_out_are_not_made(self, importer: Importer):
        rows = [objective("P", "gone", level="team", unit="Sales"), objective("O")]

        report = await importer.bring(goals(*rows), create_units=True, on_error="skip_row")

        assert (report["created"], report["units_made"]) == (1, [])

    async def test_what_identity_refuses_refuses_the_import(self, importer: Importer):
        importer.identity.refuses = "An organization holds at most 10,000 units."

        report = await importer.bring(
            goals(objective("O", level="team", unit="Sales")), create_units=True
        )

        assert report["state"] == "refused"
        assert report["refused"] == [
            {
                "file": "goals.csv",
                "line": 2,
                "column": "unit",
                "reason": "An organization holds at most 10,000 units.",
            }
        ]

    async def test_an_import_waits_for_the_directory_and_comes_again(
        self, importer: Importer, monkeypatch
    ):
        monkeypatch.setattr(carrying, "PATIENCE", 0.2)
        importer.identity.is_silent = True
        started = await importer.send(
            goals(objective("O", level="team", unit="Sales")), create_units=True
        )
        payload = {"run_id": started["id"]}
        with pytest.raises(carrying.DirectoryLags):
            await run_import(importer.identity, importer.world.engine, importer.world.id, payload)
        assert (await importer.report(started))["state"] == "running"

        await name_unit(importer.world, "Sales")
        await importer.carry_out()

        assert (await importer.report(started))["created"] == 1

    async def test_units_that_vanish_before_they_are_used_stop_the_import(
        self, importer: Importer, monkeypatch
    ):
        row = objective("O", level="team", unit="Sales")
        started = await importer.send(goals(row), create_units=True)
        known = carrying.queries.units_by_name

        async def forgetful(session):
            return {name: each for name, each in (await known(session)).items() if name != "sales"}

        monkeypatch.setattr(carrying.queries, "units_by_name", forgetful)
        with pytest.raises(carrying.DirectoryLags):
            await run_import(
                importer.identity,
                importer.world.engine,
                importer.world.id,
                {"run_id": started["id"]},
            )
        monkeypatch.undo()

        await importer.carry_out()

        assert (await importer.report(started))["created"] == 1


class TestWhatIsStored:
    async def test_limits_count_what_is_there_already(self, importer: Importer, monkeypatch):
        monkeypatch.setattr(stored_rules, "MAX_KEY_RESULTS", 2)
        monkeypatch.setattr(stored_rules, "MAX_CHILDREN", 2)
        monkeypatch.setattr(stored_rules, "MAX_DEPTH", 3)
        await importer.bring(
            goals(objective("O"), objective("P", "O"), objective("Q", "P"), key_result("K", "O"))
        )

        report = await importer.bring(
            goals(
                key_result("L", "O"),
                key_result("M", "O"),
                objective("R", "O"),
                objective("S", "O"),
                objective("T", "Q"),
            )
        )

        assert [(each["line"], each["reason"]) for each in report["refused"]] == [
            (3, "its objective has 2 key results, which is the limit"),
            (5, "its parent has 2 children, which is the limit"),
            (6, "objectives may hang at most 3 deep"),
        ]

    async def test_stored_and_new_links_make_no_circle(self, importer: Importer):
        await importer.bring(goals(objective("O"), objective("P", "O"), objective("Q", "P")))

        report = await importer.bring(goals(objective("O", "Q")))

        assert [each["reason"] for each in report["refused"]] == ["its parents form a circle"]

    async def test_a_branch_moves_with_all_below_it_unless_it_gets_too_deep(
        self, importer: Importer, monkeypatch
    ):
        monkeypatch.setattr(stored_rules, "MAX_DEPTH", 4)
        rows = [objective("A"), objective("B", "A"), objective("X"), objective("Y", "X")]
        await importer.bring(goals(*rows, objective("Z", "Y"), key_result("K", "Z", score="1")))

        too_deep = await importer.bring(goals(objective("X", "B")))
        moved = await importer.bring(goals(objective("X", "A")))

        assert too_deep["refused"][0]["reason"] == "objectives may hang at most 4 deep"
        assert moved["updated"] == 1
        assert (await importer.objectives())["A"]["progress"] == 1

    async def test_a_former_parent_is_computed_anew(self, importer: Importer):
        rows = [
            objective("A"),
            objective("B"),
            objective("C", "A"),
            key_result("K", "C", score="1"),
        ]
        await importer.bring(goals(*rows))

        await importer.bring(goals(objective("C", "B")))

        found = await importer.objectives()
        assert (found["A"]["progress"], found["B"]["progress"]) == (None, 1)

    async def test_another_weight_changes_the_link(self, importer: Importer):
        rows = [objective("O"), objective("P", "O", score="1"), objective("Q", "O", score="0")]
        await importer.bring(goals(*rows))

        report = await importer.bring(goals(objective("P", "O", weight="3")))

        assert (report["updated"], report["created"]) == (1, 0)
        found = await importer.objectives()
        assert (found["P"]["parent"]["weight"], found["O"]["progress"]) == (3, 0.75)

    async def test_a_further_link_may_become_the_primary_one(self, importer: Importer):
        running_year = {"cycle": "Long", "starts_on": "2026-01-01", "ends_on": "2199-12-31"}
        rows = [objective("O"), objective("P"), objective("Q", "O")]
        await importer.bring(goals(*(row | running_year for row in rows)))
        world = importer.world
        found = await importer.objectives()
        manager = await world.person("objectives.manage@org")
        further = {"kind": "objective", "id": found["P"]["id"], "link": "contributes"}
        path = f"/v1/objectives/{found['Q']['id']}/alignments"
        await world.call(manager, "POST", path, status=201, json=further)

        report = await importer.bring(goals(objective("Q", "P", **running_year)))

        shown = (await importer.objectives())["Q"]
        assert report["updated"] == 1
        assert (shown["parent"]["id"], shown["alignments"]) == (found["P"]["id"], [])

    async def test_an_outcome_alone_closes_a_goal_of_an_earlier_import(self, importer: Importer):
        await importer.bring(goals(objective("O"), key_result("K", "O")))
        row = {"row_id": "O", "outcome": "partial", "reported_percent": "60"}

        report = await importer.bring(outcomes(row))

        assert report["updated"] == 1
        shown = (await importer.objectives())["O"]
        assert (shown["outcome"], shown["progress"], shown["computed_progress"]) == (
            "partial",
            0.6,
            0,
        )

    async def test_a_goal_does_not_change_its_kind_and_a_key_result_not_its_objective(
        self, importer: Importer
    ):
        await importer.bring(goals(objective("O"), objective("P"), key_result("K", "O")))

        report = await importer.bring(goals(objective("K"), key_result("P", "O")))
        moved = await importer.bring(goals(key_result("K", "P")))

        assert [each["column"] for each in report["refused"]] == ["kind", "kind"]
        assert "it belongs to O" in moved["refused"][0]["reason"]

    async def test_a_closed_cycle_takes_no_new_goals(self, importer: Importer):
        await importer.bring(goals(objective("O"), key_result("K", "O")))
        async with importer.world.session() as session:
            await session.execute(update(Cycle).values(state="closed"))

        same = await importer.bring(goals(objective("O"), key_result("K", "O")))
        more = await importer.bring(goals(objective("P"), key_result("L", "O")))

        assert same["unchanged"] == 2
        assert [each["column"] for each in more["refused"]] == ["cycle", "cycle"]

    async def test_what_was_archived_here_stays_so(self, importer: Importer):
        await importer.bring(*TREE)
        async with importer.world.session() as session:
            await session.execute(update(Objective).values(state="archived"))

        report = await importer.bring(
            goals(objective("O", title="Another"), key_result("K", "O", title="Another"))
        )

        assert report["unchanged"] == 2
        assert "was archived or made private here" in report["notes"][0]["note"]

    async def test_what_was_made_private_here_is_neither_written_nor_told_of(
        self, importer: Importer
    ):
        await importer.bring(*TREE)
        async with importer.world.session() as session:
            await session.execute(update(Objective).values(visibility="private", title="Secret"))
            before = (await session.scalars(select(KeyResult.title))).all()
        rows = [key_result("K", "O", title="Another"), key_result("more", "O")]

        guesses = [
            await importer.bring(goals(objective("O", title=title, score=score), *rows))
            for title, score in (("Secret", ""), ("Another", "0.9"))
        ]

        assert [report["unchanged"] for report in guesses] == [3, 3]
        assert {report["created"] + report["updated"] for report in guesses} == {0}
        assert "made private here" in guesses[0]["notes"][0]["note"]
        async with importer.world.session() as session:
            titles = set(await session.scalars(select(Objective.title)))
            assert (titles, (await session.scalars(select(KeyResult.title))).all()) == (
                {"Secret"},
                before,
            )

    async def test_below_what_was_made_private_here_nothing_is_hung(self, importer: Importer):
        await importer.bring(goals(objective("O"), objective("below", "O"), objective("beside")))
        async with importer.world.session() as session:
            made_private = update(Objective).where(Objective.source_id == "neutral:O")
            await session.execute(made_private.values(visibility="private"))

        same = await importer.bring(goals(objective("O"), objective("below", "O")))
        assert same["unchanged"] == 2, "what hangs there already stays"
        for row in (objective("new", "O"), objective("beside", "O")):
            report = await importer.bring(goals(row))
            (refusal,) = report["refused"]
            assert (refusal["column"], report["state"]) == ("parent_row_id", "refused")
            assert "made private here" in refusal["reason"]

    async def test_a_correction_made_here_outlives_the_next_import(self, importer: Importer):
        await importer.bring(*TREE[:2])
        world = importer.world
        key_results = await importer.key_results()
        manager = await world.person("progress.update@org")
        path = f"/v1/key-results/{key_results['K']['id']}/check-ins"
        (recorded,) = (await world.call(manager, "GET", path))["items"]
        await world.call(
            manager,
            "POST",
            f"/v1/check-ins/{recorded['id']}/supersede",
            status=201,
            json={"value": 9},
        )

        report = await importer.bring(*TREE[:2])

        assert report["unchanged"] == report["rows_total"]
        assert (await importer.key_results())["K"]["current_value"] == 9

    async def test_check_ins_made_here_stand_beside_imported_ones(self, importer: Importer):
        await importer.bring(*TREE[:2])
        world = importer.world
        manager = await world.person("progress.update@org")
        key_results = await importer.key_results()
        path = f"/v1/key-results/{key_results['K']['id']}/check-ins"
        await world.call(manager, "POST", path, status=201, json={"value": 7})

        await importer.bring(
            check_ins({"row_id": "K", "checked_in_on": "2024-03-01", "value": "5"})
        )

        assert (await importer.key_results())["K"]["current_value"] == 7

    async def test_nothing_is_measured_before_its_time(self, importer: Importer):
        day = datetime.now(UTC).date().replace(year=2199).isoformat()

        report = await importer.bring(
            TREE[0], check_ins({"row_id": "K", "checked_in_on": day, "score": "1"})
        )

        assert report["refused"][0]["column"] == "checked_in_on"


class TestFaults:
    async def test_an_import_that_ends_half_way_leaves_nothing_and_starts_again(
        self, importer: Importer, monkeypatch
    ):
        before = await hashes(importer)
        started = await importer.send(*TREE)
        payload = {"run_id": started["id"]}

        async def dies(*_):
            raise asyncio.CancelledError

        with monkeypatch.context() as patched:
            patched.setattr(bringing, "_fold_and_close", dies)
            with pytest.raises(asyncio.CancelledError):
                await run_import(
                    importer.identity, importer.world.engine, importer.world.id, payload
                )
        assert await hashes(importer) == before
        assert (await importer.report(started))["state"] == "running"

        await importer.carry_out()

        assert (await importer.report(started))["created"] == ROWS

    async def test_a_fault_of_cairn_fails_the_run_and_says_so(
        self, importer: Importer, monkeypatch
    ):
        before = await hashes(importer)

        async def stumbles(*_):
            raise ValueError("secret text of a goal")

        monkeypatch.setattr(bringing, "_fold_and_close", stumbles)
        report = await importer.bring(*TREE)

        assert (report["state"], report["created"]) == ("failed", 0)
        assert "A fault of Cairn" in report["failure"]
        assert "secret" not in report["failure"]
        assert await hashes(importer) == before
        entries = await importer.world.audit_entries()
        assert entries[-1]["details"]["state"] == "failed"

    async def test_what_may_pass_is_tried_again_and_fails_in_the_end(
        self, importer: Importer, monkeypatch
    ):
        async def is_away(*_):
            raise OSError

        monkeypatch.setattr(carrying, "bring", is_away)
        started = await importer.send(*TREE)
        payload = {"run_id": started["id"]}
        states = []
        for _ in range(running.MOST_ATTEMPTS):
            with pytest.raises(OSError):  # noqa: PT011 - whatever it says, it passes
                await run_import(
                    importer.identity, importer.world.engine, importer.world.id, payload
                )
            states.append((await importer.report(started))["state"])

        assert states == ["running"] * (running.MOST_ATTEMPTS - 1) + ["failed"]
        await run_import(importer.identity, importer.world.engine, importer.world.id, payload)

    async def test_a_runner_that_was_taken_for_dead_changes_nothing_of_the_report(
        self, importer: Importer
    ):
        """Both have begun the run; the other one is through first."""
        world, started = importer.world, await importer.send(*TREE)
        payload = {"run_id": started["id"]}
        slow = await commands.begin(world.engine, world.id, UUID(started["id"]))
        assert slow is not None
        await run_import(importer.identity, world.engine, world.id, payload)
        report = await importer.report(started)

        with pytest.raises(commands.Overtaken):
            await commands.carry_out(world.engine, importer.identity, slow)
        await commands.fail(world.engine, slow, "It was late.")

        assert report["created"] == ROWS
        assert await importer.report(started) == report

    async def test_a_run_that_ends_every_runner_is_given_up(self, importer: Importer):
        started = await importer.send(*TREE)
        for _ in range(running.MOST_ATTEMPTS):
            run = await commands.begin(
                importer.world.engine, importer.world.id, UUID(started["id"])
            )
            assert run is not None

        await importer.carry_out()

        report = await importer.report(started)
        assert (report["state"], report["failure"]) == ("failed", running.INTERRUPTED)


class TestOperator:
    async def call(self, importer: Importer, method: str, path: str, caller="operator", **options):
        app = importer.world.app
        app.state.runtime.peers["identity"] = importer.identity
        key = app.state.runtime.settings.peer_keys[f"{caller}>okr"].get_secret_value()
        async with client_for(app) as client:
            client.headers["Authorization"] = f"Bearer {signed_call(key, caller, 'okr')}"
            return await client.request(method, f"/internal/imports{path}", **options)

    async def test_the_operator_imports_by_the_organizations_slug(self, importer: Importer):
        slug = f"of-{importer.world.id}"
        asked = await self.call(
            importer,
            "POST",
            "",
            data={"organization": slug, "format": "neutral"},
            files=[("file", each) for each in TREE],
        )
        assert asked.status_code == 202, asked.text
        await importer.carry_out()

        path = f"/{asked.json()['id']}"
        seen = await self.call(importer, "GET", path, params={"organization": slug})

        assert (seen.json()["state"], seen.json()["created"]) == ("done", ROWS)
        assert seen.json()["requested_by"] is None
        entries = await importer.world.audit_entries()
        assert [each["actor_kind"] for each in entries] == ["operator", "operator"]

    async def test_an_unknown_organization_is_not_found(self, importer: Importer):
        answer = await self.call(
            importer,
            "POST",
            "",
            data={"organization": "nobody", "format": "neutral"},
            files=[("file", TREE[0])],
        )

        assert answer.status_code == 404
        assert "'nobody'" in answer.json()["detail"]

    async def test_other_services_have_no_business_with_imports(self, importer: Importer):
        slug = f"of-{importer.world.id}"
        data = {"organization": slug, "format": "neutral"}
        begun = await self.call(
            importer, "POST", "", "feedback", data=data, files=[("file", TREE[0])]
        )
        seen = await self.call(
            importer, "GET", f"/{importer.world.id}", "identity", params={"organization": slug}
        )

        assert (begun.status_code, seen.status_code) == (403, 403)


async def test_the_report_of_a_run_is_kept_as_it_was(importer: Importer):
    report = await importer.bring(*with_faults())

    async with importer.world.session() as session:
        (kept,) = await session.scalars(select(ImportRun))
    assert kept.refused == report["refused"]
    assert kept.finished_at is not None
    async with importer.world.session() as session:
        assert await session.scalar(select(func.count()).select_from(KeyResult)) == 0
