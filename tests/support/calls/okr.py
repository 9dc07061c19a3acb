"""Successful calls of the operations on cycles, goals, check-ins and what is seen of them."""

from typing import Any
from uuid import uuid4

from tests.support.scene import Call, Standing, call, measure


@call
async def list_cycles(at: Standing) -> Call:
    await _cycle(at)
    return Call()


@call
async def get_cycle(at: Standing) -> Call:
    return Call({"cycle_id": at.scene.year})


def _quarter(at: Standing) -> dict[str, Any]:
    return {
        "name": f"A quarter {uuid4()}",
        "starts_on": "2026-01-01",
        "ends_on": "2026-03-31",
        "parent_id": at.scene.year,
        "cadence": "weekly",
    }


async def _cycle(at: Standing, *steps: str) -> dict[str, str]:
    """A new cycle in the year, after these operations; its path parameters."""
    made = await at.scene.done("create_cycle", Call(body=_quarter(at)))
    path = {"cycle_id": made["id"]}
    for step in steps:
        body = {"reason": "To go on."} if step == "reopen_cycle" else None
        await at.scene.done(step, Call(path, body))
    return path


@call
async def create_cycle(at: Standing) -> Call:
    return Call(body=_quarter(at))


@call
async def update_cycle(at: Standing) -> Call:
    return Call(await _cycle(at), {"name": "Another name"})


@call
async def activate_cycle(at: Standing) -> Call:
    return Call(await _cycle(at))


@call
async def review_cycle(at: Standing) -> Call:
    return Call(await _cycle(at, "activate_cycle"))


@call
async def close_cycle(at: Standing) -> Call:
    path, following = await _cycle(at, "activate_cycle"), await _cycle(at)
    carried, postponed = [
        await at.active_objective(cycle_id=path["cycle_id"], title=title)
        for title in ("Goes on", "Waits")
    ]
    body = {"carry_over": [carried], "into_cycle_id": following["cycle_id"]}
    return Call(path, body | {"postpone": [postponed]})


@call
async def reopen_cycle(at: Standing) -> Call:
    return Call(await _cycle(at, "activate_cycle", "close_cycle"), {"reason": "To go on."})


@call
async def get_goal_settings(at: Standing) -> Call:
    return Call()


@call
async def update_goal_settings(at: Standing) -> Call:
    return Call(body={"at_risk_lag": 0.11})


@call
async def list_objectives(at: Standing) -> Call:
    await at.objective()
    await at.objective()
    return Call()


@call
async def get_objective(at: Standing) -> Call:
    return Call({"objective_id": await at.objective()})


@call
async def get_objective_progress(at: Standing) -> Call:
    return Call({"objective_id": await at.active_objective()})


@call
async def create_objective(at: Standing) -> Call:
    return Call(body=at.aim())


@call
async def update_objective(at: Standing) -> Call:
    return Call({"objective_id": await at.objective()}, {"title": "Another aim"})


@call
async def delete_objective(at: Standing) -> Call:
    return Call({"objective_id": await at.objective()})


@call
async def assign_owner(at: Standing) -> Call:
    objective_id = await at.objective()
    return Call({"objective_id": objective_id}, {"owner_id": str(at.scene.keeper)})


@call
async def join_objective(at: Standing) -> Call:
    return Call({"objective_id": await at.objective()})


@call
async def leave_objective(at: Standing) -> Call:
    return Call({"objective_id": await at.objective(contributor_ids=[str(at.actor)])})


async def _submitted(at: Standing, owner: str, *steps: str) -> dict[str, str]:
    """An objective that was handed in where its level needs approval."""
    path = {"objective_id": await at.objective(owner_id=owner)}
    await at.scene.approval("company", "unit", "individual")
    await at.scene.done("submit_objective", Call(path))
    return path


@call
async def submit_objective(at: Standing) -> Call:
    path = {"objective_id": await at.objective()}
    await at.scene.approval("company", "unit", "individual")
    return Call(path)


@call
async def withdraw_objective(at: Standing) -> Call:
    return Call(await _submitted(at, str(at.actor)))


@call
async def approve_objective(at: Standing) -> Call:
    return Call(await _submitted(at, str(at.scene.colleague)))


@call
async def return_objective(at: Standing) -> Call:
    path = await _submitted(at, str(at.scene.colleague))
    return Call(path, {"reason": "It cannot be measured yet."})


@call
async def activate_objective(at: Standing) -> Call:
    await at.scene.approval()
    return Call({"objective_id": await at.objective()})


@call
async def close_objective(at: Standing) -> Call:
    body = {"score": 0.7, "outcome": "partial", "note": "Most of it."}
    return Call({"objective_id": await at.active_objective()}, body)


@call
async def reopen_objective(at: Standing) -> Call:
    path = {"objective_id": await at.active_objective()}
    await at.scene.done("close_objective", Call(path, {}))
    return Call(path, {"reason": "It goes on."})


@call
async def archive_objective(at: Standing) -> Call:
    return Call({"objective_id": await at.active_objective()})


@call
async def override_progress(at: Standing) -> Call:
    objective_id = await at.active_objective()
    body = {"value": 0.5, "mode": "until_resumed", "reason": "Half of it is done."}
    return Call({"objective_id": objective_id}, body, reads=f"/v1/objectives/{objective_id}")


@call
async def resume_progress(at: Standing) -> Call:
    overridden = await override_progress(at)
    await at.scene.done("override_progress", overridden)
    return Call(overridden.path, reads=overridden.reads)


@call
async def create_alignment(at: Standing) -> Call:
    parent = await at.active_objective()
    body = {"kind": "objective", "id": parent, "link": "contributes"}
    return Call({"objective_id": await at.objective()}, body)


async def _link(at: Standing) -> tuple[dict[str, str], str]:
    """The path of a link, and that of the objective whose version counts."""
    linked = await create_alignment(at)
    objective = await at.scene.done("create_alignment", linked)
    (link,) = [objective["parent"], *objective.get("alignments", [])][:1]
    path = linked.path | {"link_id": link["link_id"]}
    return path, f"/v1/objectives/{linked.path['objective_id']}"


@call
async def update_alignment(at: Standing) -> Call:
    path, reads = await _link(at)
    return Call(path, {"weight": 2}, reads=reads)


@call
async def delete_alignment(at: Standing) -> Call:
    path, reads = await _link(at)
    return Call(path, reads=reads)


@call
async def add_key_result(at: Standing) -> Call:
    return Call({"objective_id": await at.active_objective()}, measure())


@call
async def get_key_result(at: Standing) -> Call:
    return Call({"key_result_id": await at.key_result()})


@call
async def update_key_result(at: Standing) -> Call:
    return Call({"key_result_id": await at.key_result()}, {"target_value": 20})


@call
async def delete_key_result(at: Standing) -> Call:
    return Call({"key_result_id": await at.key_result()})


@call
async def assign_key_result(at: Standing) -> Call:
    return Call({"key_result_id": await at.key_result()}, {"owner_id": str(at.scene.keeper)})


@call
async def record_check_in(at: Standing) -> Call:
    body = {"value": 3, "health": "on_track", "confidence": 0.8, "note": "Three so far."}
    return Call({"key_result_id": await at.key_result()}, body)


async def _check_in(at: Standing) -> dict[str, Any]:
    checked_in: dict[str, Any] = await at.scene.done(
        "record_check_in", await record_check_in(at), by=at.actor
    )
    return checked_in


@call
async def list_check_ins(at: Standing) -> Call:
    path = {"key_result_id": (await _check_in(at))["key_result_id"]}
    await at.scene.done("record_check_in", Call(path, {"value": 5}), by=at.actor)
    return Call(path)


@call
async def get_check_in(at: Standing) -> Call:
    return Call({"check_in_id": (await _check_in(at))["id"]})


@call
async def supersede_check_in(at: Standing) -> Call:
    return Call({"check_in_id": (await _check_in(at))["id"]}, {"value": 4})


@call
async def get_goal_tree(at: Standing) -> Call:
    return Call(query={"cycle_id": at.scene.year, "root_id": await at.active_objective()})


@call
async def get_company_dashboard(at: Standing) -> Call:
    return Call(query={"cycle_id": at.scene.year})


@call
async def get_unit_dashboard(at: Standing) -> Call:
    unit = at.unit or at.scene.unit
    return Call({"unit_id": str(unit)}, query={"cycle_id": at.scene.year})


@call
async def get_my_dashboard(at: Standing) -> Call:
    return Call(query={"cycle_id": at.scene.year})


_GOALS = b"key;level;title;cycle;cycle_starts_on\n1;company;An aim;A year;2026-01-01\n"


@call
async def create_import(at: Standing) -> Call:
    files = [("file", ("goals.csv", _GOALS, "text/csv"))]
    return Call(form={"files": files, "data": {"format": "neutral", "dry_run": "true"}})


async def _import(at: Standing) -> dict[str, str]:
    made = await at.scene.done("create_import", await create_import(at))
    return {"import_id": made["id"]}


@call
async def list_imports(at: Standing) -> Call:
    await _import(at)
    await _import(at)
    return Call()


@call
async def get_import(at: Standing) -> Call:
    return Call(await _import(at))
