"""What four clients write in a company, and the promises that are looked into afterwards."""

from collections import Counter
from typing import Any

from tests.support import behind
from tests.support.companies import Company
from tests.support.load import Kind, Load, Outcome


def kinds_of(company: Company, **fields: Any) -> list[Kind]:
    """Check-ins of two people, feedback of one on the other's goal, units of the administrator.

    `fields` are further ones of the two objectives; a quarter runs already.
    """
    team_id = company.unit("A team")
    ours, theirs = (company.member("individual_contributor", team_id) for _ in range(2))
    check_ins = []
    for number, owner in enumerate((ours, theirs)):
        objective, key_result = owner.active_objective("Written under fire", "individual", **fields)
        path = f"/v1/key-results/{key_result['id']}/check-ins"
        check_ins.append(
            Kind(
                name=f"check-in-{number}",
                who=owner,
                path=path,
                body=lambda marker: {"value": sum(map(ord, marker)) % 11, "note": marker},
                stored=lambda owner=owner, path=path: [
                    (each["note"], each["id"]) for each in owner.items(path)
                ],
            )
        )
    subject = {"kind": "objective", "id": objective["id"]}
    behind.wait_until_settled(company.product.cairn)
    feedback = Kind(
        name="feedback",
        who=ours,
        path="/v1/feedback",
        body=lambda marker: {"subject": subject, "body": marker, "visibility": "public"},
        stored=lambda: [(each["body"], each["id"]) for each in ours.items("/v1/feedback")],
    )
    floor_id = company.unit("A floor", kind="department")
    units = Kind(
        name="unit",
        who=company.administrator,
        path="/v1/units",
        body=lambda marker: {"name": marker, "parent_id": floor_id},
        stored=lambda: [
            (each["name"], each["id"])
            for each in company.administrator.items("/v1/units")
            if each["parent_id"] == floor_id
        ],
    )
    return [*check_ins, feedback, units]


def audited(company: Company) -> Counter[str]:
    """Subject → its audit entries."""
    statement = "SELECT subject_id::text FROM audit_entry WHERE organization_id::text = $1"
    found = behind.rows(company.product.cairn, "identity", statement, company.id)
    return Counter(row[0] for row in found)


def unit_ids(company: Company, service: str) -> set[str]:
    table = "unit" if service == "identity" else "directory_unit"
    statement = f"SELECT id::text FROM {table} WHERE organization_id::text = $1"
    return {row[0] for row in behind.rows(company.product.cairn, service, statement, company.id)}


def assert_every_promise_was_kept(company: Company, load: Load) -> None:
    behind.wait_until_settled(company.product.cairn)
    outcome = load.outcome(audited(company))
    assert outcome == Outcome()
    assert unit_ids(company, "identity") == unit_ids(company, "okr")
    assert unit_ids(company, "identity") == unit_ids(company, "feedback")
    chain = company.administrator.get("/v1/audit-events/verification")
    assert chain["is_intact"], chain
