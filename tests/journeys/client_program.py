"""A program of somebody who has generated a client from `/openapi.json`: it is theirs, typed.

`python client_program.py ADDRESS ORGANIZATION EMAIL PASSWORD` signs in, sets an aim, measures it
and looks at the dashboard; what it saw is its output, as JSON.
"""

import json
import sys
from typing import TypeVar

from cairn_client import AuthenticatedClient, Client
from cairn_client.api.check_ins import record_check_in
from cairn_client.api.cycles import list_cycles
from cairn_client.api.dashboards import get_my_dashboard
from cairn_client.api.key_results import add_key_result
from cairn_client.api.me import get_me
from cairn_client.api.objectives import activate_objective, create_objective, get_objective
from cairn_client.api.sessions import sign_in
from cairn_client.models import (
    Commitment,
    CycleState,
    Level,
    MetricKind,
    NewCheckIn,
    NewKeyResult,
    NewObjective,
    NewSession,
    Problem,
    UnitOfMeasure,
    Visibility,
)

Answer = TypeVar("Answer")


def good(answer: Answer | Problem | None) -> Answer:
    """The answer, where it is no problem."""
    if answer is None or isinstance(answer, Problem):
        raise SystemExit(f"refused: {answer}")
    return answer


def main(address: str, organization: str, email: str, password: str) -> None:
    credentials = NewSession(email=email, organization=organization, password=password)
    tokens = good(sign_in.sync(client=Client(address), body=credentials))
    client = AuthenticatedClient(address, tokens.access_token)
    me = good(get_me.sync(client=client))
    cycles = good(list_cycles.sync(client=client, state=CycleState.ACTIVE)).items
    quarter = next(cycle for cycle in cycles if cycle.parent_id is not None)
    aim = NewObjective(
        title="Answer every question on the day it is asked",
        level=Level.INDIVIDUAL,
        cycle_id=quarter.id,
        commitment=Commitment.COMMITTED,
        visibility=Visibility.PUBLIC,
    )
    objective = good(create_objective.sync(client=client, body=aim))
    measure = NewKeyResult(
        title="Questions answered on the same day",
        metric_kind=MetricKind.INCREASE,
        unit_of_measure=UnitOfMeasure.NUMBER,
        start_value=0,
        target_value=8,
    )
    key_result = good(add_key_result.sync(objective.id, client=client, body=measure))
    good(activate_objective.sync(objective.id, client=client))
    check_in = good(record_check_in.sync(key_result.id, client=client, body=NewCheckIn(value=2)))
    dashboard = good(get_my_dashboard.sync(client=client, cycle_id=quarter.id, prefer="fresh"))
    seen = good(get_objective.sync(objective.id, client=client))
    found = {
        "email": me.email,
        "progress_after": check_in.progress_after,
        "progress": seen.progress,
        "objectives": dashboard.objectives.total,
        "latest": [str(each.key_result_id) for each in dashboard.latest_check_ins],
        "key_result": str(key_result.id),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
