"""Imports from the request to what is stored."""

from tests.okr.imports.conftest import Importer, check_ins, goals, key_result, objective, outcomes


async def test_a_small_tree_arrives(importer: Importer):
    report = await importer.bring(
        goals(objective("O"), key_result("K", "O", score="0.7"), objective("P", "K", weight=2)),
        check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "score": "0.3"}),
        outcomes({"row_id": "O", "outcome": "done"}),
    )

    assert report["state"] == "done", report
    assert (report["created"], report["rows_total"], report["refused"]) == (5, 5, [])
    found = await importer.objectives()
    assert found["O"]["state"] == "closed"
    assert found["O"]["outcome"] == "achieved"
    assert found["O"]["progress"] == 0.7
    assert found["P"]["parent"]["kind"] == "key_result"
