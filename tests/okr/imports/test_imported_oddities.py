"""What real files lack or overdo is kept as it is and shown as it is (../shared/data/README.md)."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from kernel import clock
from services.okr.checkins.models import CheckIn
from services.okr.imports.jobs import run_import
from services.okr.objectives.models import KeyResult, Objective
from tests.okr.imports.conftest import (
    Importer,
    check_ins,
    goals,
    key_result,
    name_unit,
    objective,
    outcomes,
)

VIENNA = ZoneInfo("Europe/Vienna")


async def brought(importer: Importer, *files, **options):
    report = await importer.bring(*files, **options)
    assert report["state"] == "done", (report["failure"], report["refused"])
    return report


async def stored(importer: Importer, table, source_id: str):
    async with importer.world.session() as session:
        return (
            await session.scalars(select(table).where(table.source_id == f"neutral:{source_id}"))
        ).one()


async def check_ins_of(importer: Importer, source_id: str):
    key_result = await stored(importer, KeyResult, source_id)
    async with importer.world.session() as session:
        statement = select(CheckIn).where(CheckIn.key_result_id == key_result.id)
        return list(await session.scalars(statement.order_by(CheckIn.measured_at, CheckIn.id)))


async def test_an_objective_may_hang_below_a_key_result(importer: Importer):
    await brought(
        importer, goals(objective("O"), key_result("K", "O"), objective("P", "K", weight="3"))
    )

    parent = (await importer.objectives())["P"]["parent"]
    key_results = await importer.key_results()
    assert (parent["kind"], parent["id"]) == ("key_result", key_results["K"]["id"])
    assert (parent["link"], parent["weight"]) == ("contributes", 3)


async def test_a_tree_of_eight_levels_arrives(importer: Importer):
    chain = [objective(f"L{depth}", f"L{depth - 1}" if depth else "") for depth in range(8)]

    await brought(importer, goals(*chain[::-1], key_result("K", "L7", score="0.5")))

    assert (await importer.objectives())["L0"]["progress"] == 0.5


async def test_an_objective_without_key_results_has_no_progress(importer: Importer):
    await brought(importer, goals(objective("O")))

    shown = (await importer.objectives())["O"]
    assert (shown["progress"], shown["key_results"]) == (None, [])


async def test_goals_of_one_title_owner_level_and_cycle_stay_apart(importer: Importer):
    twin = {"title": "The same", "owner_role": "CEO"}

    report = await brought(importer, goals(objective("A", **twin), objective("B", **twin)))

    assert report["created"] == 2
    assert {each["title"] for each in (await importer.objectives()).values()} == {"The same"}


@pytest.mark.parametrize("score", [1.2, 2, 15])
async def test_a_score_above_one_is_kept_and_shown_and_rolls_up_as_one(importer: Importer, score):
    rows = [key_result("K", "O", score=str(score)), key_result("L", "O", score="0")]

    await brought(importer, goals(objective("O"), *rows))

    shown = (await importer.key_results())["K"]
    assert (shown["score"], shown["progress_unclamped"], shown["progress"]) == (score, score, 1)
    assert (await importer.objectives())["O"]["progress"] == 0.5


async def test_an_objectives_own_score_outweighs_the_mean_and_says_so(importer: Importer):
    rows = [key_result("K", "O", score="0.5"), key_result("L", "O", score="0.55")]

    await brought(importer, goals(objective("O", score="0.642"), *rows))

    shown = (await importer.objectives())["O"]
    assert (shown["score"], shown["progress"], shown["computed_progress"]) == (0.642, 0.642, 0.525)
    assert shown["override"]["mode"] == "until_resumed"
    assert "Stated by the source" in shown["override"]["reason"]


async def test_a_score_of_zero_is_a_score(importer: Importer):
    await brought(importer, goals(objective("O", score="0"), key_result("K", "O")))

    shown = (await importer.objectives())["O"]
    assert (shown["score"], shown["progress"]) == (0, 0)


async def test_a_cycle_that_never_closed_has_no_end_and_goes_on(importer: Importer):
    await brought(
        importer,
        goals(objective("O", ends_on=""), key_result("K", "O", ends_on="")),
        check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "score": "0.3"}),
    )

    page = await importer.world.call(importer.person_id, "GET", "/v1/cycles")
    (cycle,) = page["items"]
    assert (cycle["ends_on"], cycle["state"], cycle["cadence"]) == (None, "active", "none")
    assert (await importer.key_results())["K"]["progress"] == 0.3


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "state"),
    [
        ("2024-01-01", "2024-03-31", "review"),
        ("2026-05-01", "2026-07-31", "active"),
        ("2026-09-01", "2026-12-31", "planning"),
    ],
)
async def test_a_new_cycle_stands_where_its_dates_put_it(
    importer: Importer, starts_on, ends_on, state
):
    started = await importer.send(goals(objective("O", starts_on=starts_on, ends_on=ends_on)))
    payload = {"run_id": started["id"]}
    with clock.frozen_at(datetime(2026, 7, 1, tzinfo=VIENNA)):
        await run_import(importer.identity, importer.world.engine, importer.world.id, payload)

    page = await importer.world.call(importer.person_id, "GET", "/v1/cycles")
    assert [each["state"] for each in page["items"]] == [state]


async def test_scores_of_check_ins_may_fall(importer: Importer):
    scores = {"2024-01-10": "0.4", "2024-01-20": "0.68", "2024-01-30": "0.45"}
    rows = [{"row_id": "K", "checked_in_on": on, "score": each} for on, each in scores.items()]

    await brought(importer, goals(objective("O"), key_result("K", "O")), check_ins(*rows))

    found = await check_ins_of(importer, "K")
    falling = [(0, "0.4"), ("0.4", "0.68"), ("0.68", "0.45")]
    assert [(each.progress_before, each.progress_after) for each in found] == [
        (Decimal(before), Decimal(after)) for before, after in falling
    ]
    assert (await importer.key_results())["K"]["progress"] == 0.45


async def test_a_check_in_stands_at_noon_of_its_day_and_has_no_author(importer: Importer):
    row = {"row_id": "K", "checked_in_on": "2024-02-01", "label": "Week 5", "score": "0.3"}

    await brought(importer, goals(objective("O"), key_result("K", "O")), check_ins(row))

    (found,) = await check_ins_of(importer, "K")
    assert found.measured_at == datetime(2024, 2, 1, 12, tzinfo=VIENNA)
    assert (found.author_id, found.value, found.note) == (None, None, "Week 5")
    assert found.stated_progress == Decimal("0.3")


async def test_two_check_ins_of_one_day_stand_as_in_the_file(importer: Importer):
    day = {"row_id": "K", "checked_in_on": "2024-02-01"}
    rows = [day | {"label": "b", "score": "0.9"}, day | {"label": "a", "score": "0.1"}]

    await brought(importer, goals(objective("O"), key_result("K", "O")), check_ins(*rows))

    assert (await importer.key_results())["K"]["progress"] == 0.1


async def test_the_final_value_is_a_check_in_on_the_cycles_last_day(importer: Importer):
    row = key_result("K", "O", start_value="10", target_value="20", final_value="18")

    await brought(importer, goals(objective("O"), row))

    (found,) = await check_ins_of(importer, "K")
    assert found.measured_at == datetime(2024, 3, 31, 12, tzinfo=VIENNA)
    shown = (await importer.key_results())["K"]
    assert (shown["current_value"], shown["progress"]) == (18, 0.8)


async def test_a_final_value_never_lies_in_the_future(importer: Importer):
    goes_on = {"starts_on": "2026-01-01", "ends_on": "2199-12-31"}
    row = key_result("K", "O", final_value="18", score="0.5", **goes_on)

    await brought(importer, goals(objective("O", **goes_on), row))

    (found,) = await check_ins_of(importer, "K")
    assert found.measured_at <= clock.now()


async def test_a_score_given_after_the_last_check_in_outweighs_it(importer: Importer):
    row = {"row_id": "K", "checked_in_on": "2024-05-01", "score": "0.3"}

    await brought(
        importer, goals(objective("O"), key_result("K", "O", score="0.9")), check_ins(row)
    )

    assert (await importer.key_results())["K"]["progress"] == 0.9


@pytest.mark.parametrize(
    ("cells", "percent", "last", "progress"),
    [
        ({"score": "0.9", "final_value": "15"}, "80", "0.7", 0.9),
        ({"final_value": "15"}, "80", "0.7", 0.8),
        ({"final_value": "15"}, "", "0.7", 0.7),
        ({"final_value": "15"}, "", "", 0.5),
        ({}, "", "0.7", 0.7),
        ({}, "80", "0.7", 0.8),
    ],
)
async def test_what_is_stated_outweighs_what_is_computed(
    importer: Importer, cells, percent, last, progress
):
    row = key_result("K", "O", start_value="10", target_value="20", **cells)
    measured = {"row_id": "K", "checked_in_on": "2024-02-01", "value": "12", "score": last}

    await brought(
        importer,
        goals(objective("O"), row),
        check_ins(measured),
        outcomes({"row_id": "K", "outcome": "partial", "reported_percent": percent}),
    )

    assert (await importer.key_results())["K"]["progress"] == progress


async def test_a_target_without_a_start_is_kept_and_nothing_is_computed(importer: Importer):
    row = key_result("K", "O", target_value="25", final_value="12", unit_of_measure="% change")

    await brought(importer, goals(objective("O"), row))

    shown = (await importer.key_results())["K"]
    assert (shown["start_value"], shown["target_value"]) == (None, 25)
    assert (shown["unit_of_measure"], shown["unit_label"]) == ("custom", "% change")
    assert (shown["current_value"], shown["progress"]) == (12, 0)


async def test_a_measure_may_get_worse(importer: Importer):
    row = key_result(
        "K", "O", metric_kind="decrease", start_value="47", target_value="40", final_value="51"
    )

    await brought(importer, goals(objective("O"), row))

    shown = (await importer.key_results())["K"]
    assert shown["progress"] == 0
    assert shown["progress_unclamped"] == pytest.approx(-4 / 7, abs=1e-6)


async def test_a_key_result_below_a_key_result_joins_its_objective(importer: Importer):
    report = await brought(
        importer, goals(objective("O"), key_result("K", "O"), key_result("L", "K", score="1"))
    )

    (note,) = report["notes"]
    assert (note["line"], "joins its objective O" in note["note"]) == (4, True)
    shown = (await importer.objectives())["O"]
    assert [each["title"] for each in shown["key_results"]] == ["Measure K", "Measure L"]


@pytest.mark.parametrize(
    ("word", "kind"),
    [("maintain", "maintain_at_least"), ("binary", "binary"), ("milestone", "milestone"),
     ("percent", "percent"), ("decrease", "decrease")],
)  # fmt: skip
async def test_metric_kinds_are_those_of_the_file(importer: Importer, word, kind):
    await brought(importer, goals(objective("O"), key_result("K", "O", metric_kind=word)))

    assert (await importer.key_results())["K"]["metric_kind"] == kind


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("done", "achieved"), ("partial", "partial"), ("not_done", "missed"), ("missed", "missed"),
     ("carried_over", "postponed"), ("not_applicable", "cancelled"), ("in_progress", None),
     ("not_started", None), ("blocked", None)],
)  # fmt: skip
async def test_outcomes_close_goals_in_their_own_words(importer: Importer, word, outcome):
    await brought(
        importer,
        goals(objective("O"), key_result("K", "O", score="0.4"), objective("P", "O")),
        outcomes({"row_id": "O", "outcome": word}, {"row_id": "K", "outcome": word}),
    )

    shown = (await importer.objectives())["O"]
    assert (shown["outcome"], shown["state"]) == (outcome, "closed" if outcome else "active")
    assert shown["key_results"][0]["outcome"] == outcome
    assert shown["key_results"][0]["score"] == 0.4
    assert (shown["closed_at"] is not None) == (outcome is not None)


async def test_what_was_put_off_or_given_up_does_not_count_above(importer: Importer):
    rows = [objective("O"), objective("P", "O", score="1"), objective("Q", "O", score="0.2")]

    await brought(importer, goals(*rows), outcomes({"row_id": "P", "outcome": "carried_over"}))

    assert (await importer.objectives())["O"]["progress"] == 0.2


async def test_a_closed_goal_keeps_what_its_parts_had_reached(importer: Importer):
    rows = [objective("O"), objective("P", "O"), key_result("K", "P", score="0.6")]

    await brought(
        importer,
        goals(*rows),
        outcomes({"row_id": "O", "outcome": "partial"}, {"row_id": "P", "outcome": "partial"}),
    )

    found = await importer.objectives()
    assert (found["O"]["progress"], found["P"]["progress"]) == (0.6, 0.6)
    assert found["O"]["score"] is None


async def test_job_titles_stay_words(importer: Importer):
    row = objective("O", owner_role="VP Engineering")

    await brought(importer, goals(row, key_result("K", "O", owner_role="Manager, Build")))

    shown = (await importer.objectives())["O"]
    assert (shown["owner_id"], shown["source_owner"]) == (None, "VP Engineering")
    assert shown["key_results"][0]["source_owner"] == "Manager, Build"


async def test_a_company_row_goes_to_the_root_and_keeps_its_unit_as_text(importer: Importer):
    await brought(importer, goals(objective("O", unit="Executive office")))

    found = await stored(importer, Objective, "O")
    assert (found.unit_id, found.source_unit) == (importer.world.root_id, "Executive office")
    assert found.level == "company"


async def test_departments_and_teams_are_units_by_their_names(importer: Importer):
    unit_id = await name_unit(importer.world, "Sales")
    rows = [
        objective("O", level="department", unit="sales"),
        objective("P", level="team", unit="Sales"),
    ]

    await brought(importer, goals(*rows))

    found = await importer.objectives()
    assert {found[each]["unit_id"] for each in "OP"} == {str(unit_id)}
    assert {found[each]["level"] for each in "OP"} == {"unit"}


async def test_a_key_result_keeps_the_word_of_its_unit(importer: Importer):
    await name_unit(importer.world, "Sales")

    await brought(importer, goals(objective("O"), key_result("K", "O", level="team", unit="Sales")))

    assert (await stored(importer, KeyResult, "K")).source_unit == "Sales"


async def test_an_individual_goal_without_a_unit_stands_at_the_root(importer: Importer):
    await brought(importer, goals(objective("O", level="individual", unit="")))

    assert (await stored(importer, Objective, "O")).unit_id == importer.world.root_id


async def test_a_fiscal_quarter_may_cross_the_year(importer: Importer):
    dates = {"starts_on": "2019-11-01", "ends_on": "2020-01-31", "cycle": "FY20-Q4"}

    await brought(importer, goals(objective("O", **dates)))

    page = await importer.world.call(importer.person_id, "GET", "/v1/cycles")
    assert [(each["name"], each["ends_on"]) for each in page["items"]] == [
        ("FY20-Q4", "2020-01-31")
    ]


async def test_placeholders_are_kept_as_they_are(importer: Importer):
    await brought(
        importer, goals(objective("O"), key_result("K", "O", title="increase from X to Y"))
    )

    assert (await stored(importer, KeyResult, "K")).title == "increase from X to Y"


async def test_imported_key_results_wait_for_no_check_in(importer: Importer):
    await brought(importer, goals(objective("O"), key_result("K", "O", score="0.1")))

    assert (await importer.key_results())["K"]["check_in_due_at"] is None


async def test_a_cycle_with_a_rhythm_that_is_there_already_is_joined(importer: Importer):
    cycle = await importer.world.cycle(
        name="Q1", starts_on=date(2024, 1, 1), ends_on=date(2024, 3, 31), cadence="weekly"
    )

    await brought(importer, goals(objective("O"), key_result("K", "O", score="0.1")))

    shown = (await importer.objectives())["O"]
    assert shown["cycle_id"] == str(cycle.id)
    assert shown["key_results"][0]["check_in_due_at"] is not None
