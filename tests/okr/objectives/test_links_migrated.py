"""What was stored before objectives said where their links lead and which parents exclude them,
and what was on its way before it named a goal's level."""

import asyncpg

from migrations import runner
from tests.support import database
from tests.support.database import PASSWORD, Server

_BEFORE = "30fd298c144e"
_STORED = """
WITH organization AS (SELECT gen_random_uuid() AS id), made AS (
  INSERT INTO cycle (organization_id, id, name, starts_on, cadence, state, version, created_at,
                     updated_at)
  SELECT id, gen_random_uuid(), 'Year', now(), 'weekly', 'active', 1, now(), now()
    FROM organization
  RETURNING organization_id, id
), goal AS (
  INSERT INTO objective (organization_id, id, title, level, unit_id, contributor_ids, cycle_id,
    commitment, visibility, viewer_ids, tags, rollup_rule, rollup_sources, rollup_health, state,
    health, has_parent, is_apart, version, created_at, updated_at)
  SELECT organization_id, gen_random_uuid(), title, 'unit', gen_random_uuid(), '{}', id,
         'committed', 'public', '{}', '{}', 'weights', 'both', 'pace', 'active', 'on_track',
         title = 'below', false, 1, now(), now()
    FROM made, unnest(ARRAY['top', 'below', 'aside']) AS title
  RETURNING organization_id, id, title
)
INSERT INTO alignment_link (organization_id, id, objective_id, parent_objective_id, link, weight,
                            is_primary, is_excluded, created_at)
SELECT child.organization_id, gen_random_uuid(), child.id, parent.id, 'contributes', 1,
       child.title = 'below', child.title = 'aside', now()
  FROM goal child JOIN goal parent ON parent.title = 'top' WHERE child.title <> 'top'
"""
_ON_ITS_WAY = """
INSERT INTO outbox (destination, topic, resource, organization_id, payload, created_at, due_at)
SELECT 'feedback', 'okr.goal.v1', 'goal', objective.organization_id,
       jsonb_build_object('objective_id', goal.id), now(), now()
  FROM objective, LATERAL (VALUES (objective.id), (gen_random_uuid())) AS goal(id)
 WHERE title = 'top'
"""
_LEVELS = "SELECT payload ->> 'level' FROM outbox ORDER BY id"
_PARENTS = """
SELECT child.title, parent.title
  FROM objective child LEFT JOIN objective parent ON parent.id = child.parent_objective_id
"""
_EXCLUDED = """
SELECT child.title, parent.title
  FROM objective child JOIN objective parent ON parent.id = ANY (child.excluded_by_ids)
"""


async def test_stored_objectives_learn_it_and_forget_it_again(
    server: Server, worker_id: str
) -> None:
    name = f"before_{worker_id}"
    await database.make_database(server, "okr", name)
    address = server.address(name, "cairn_okr_owner", PASSWORD)
    await runner.migrate("okr", address)
    await runner.downgrade("okr", address, _BEFORE)
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    try:
        await connection.execute(_STORED)
        await connection.execute("UPDATE objective SET level = 'company' WHERE title = 'top'")
        await connection.execute(_ON_ITS_WAY)
        await runner.migrate("okr", address)
        learnt = dict(await connection.fetch(_PARENTS))
        levels = [row[0] for row in await connection.fetch(_LEVELS)]
        excluded = dict(await connection.fetch(_EXCLUDED))
        await runner.downgrade("okr", address, _BEFORE)
        left = dict(await connection.fetch("SELECT title, has_parent FROM objective"))
    finally:
        await connection.close()
        superuser = await server.connect()
        await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await superuser.close()

    assert levels == ["company", "unit"]
    assert excluded == {"aside": "top"}
    assert learnt == {"top": None, "below": "top", "aside": None}
    assert left == {"top": False, "below": True, "aside": False}
