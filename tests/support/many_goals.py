"""A large organization written by the database itself: for plans and growth, not for rules."""

from uuid import UUID

import asyncpg

from tests.support.okr import World

_OBJECTIVES = """
INSERT INTO objective (organization_id, id, title, level, unit_id, owner_id, contributor_ids,
  viewer_ids, tags, cycle_id, commitment, visibility, rollup_rule, rollup_sources, rollup_health,
  state, progress, health, excluded_by_ids, is_apart, check_in_due_at, version, created_at,
  updated_at, folded_at)
SELECT $1, gen_random_uuid(), 'Goal ' || n, 'unit', ($3::uuid[])[1 + n % cardinality($3)],
       ($4::uuid[])[1 + n % cardinality($4)], '{}', '{}', '{}', $2, 'committed',
       CASE WHEN n % 50 = 49 AND n > $5 / 2 THEN 'private' ELSE 'public' END,
       'weights', 'both', 'pace', 'active', (n % 100) / 100.0,
       CASE WHEN n % 10 = 0 THEN 'off_track' ELSE 'on_track' END, '{}', false,
       now() - interval '1 day', 1, now() + n * interval '1 microsecond', now(), now()
  FROM generate_series(0, $5::integer - 1) AS n
"""
# A tree of eight children each, in the order in which they were made.
_LINKS = """
WITH numbered AS (
  SELECT id, row_number() OVER (ORDER BY created_at) - 1 AS n
    FROM objective WHERE organization_id = $1 AND cycle_id = $2
), linked AS (
INSERT INTO alignment_link (organization_id, id, objective_id, parent_objective_id, link, weight,
                            is_primary, is_excluded, created_at)
SELECT $1, gen_random_uuid(), child.id, parent.id, 'contributes', 1, true, false, now()
  FROM numbered child JOIN numbered parent ON parent.n = child.n / 8 - 1 WHERE child.n >= 8
RETURNING objective_id, parent_objective_id
)
UPDATE objective SET parent_objective_id = linked.parent_objective_id
  FROM linked WHERE organization_id = $1 AND id = linked.objective_id
"""
_KEY_RESULTS = """
INSERT INTO key_result (organization_id, id, objective_id, title, metric_kind, unit_of_measure,
  reducer, weight, owner_id, position, progress, progress_unclamped, health, is_health_stated,
  check_in_due_at, last_check_in_at, is_archived, version, created_at, updated_at)
SELECT $1, gen_random_uuid(), o.id, 'Measure', 'increase', 'number', 'last', 1, o.owner_id, n,
       o.progress, o.progress, o.health, false, now() - interval '1 day' + n * interval '1 hour',
       now(), false, 1, o.created_at, now()
  FROM objective o, generate_series(0, 2) AS n
 WHERE o.organization_id = $1 AND o.cycle_id = $2
"""
_CHECK_INS = """
INSERT INTO check_in (organization_id, id, key_result_id, cycle_id, value, milestones_done,
  measured_at, recorded_at, author_id, progress_before, progress_after, progress_unclamped)
SELECT $1, gen_random_uuid(), k.id, $2, 1, '{}', now(),
       now() - random() * interval '7 days', k.owner_id, 0, k.progress, k.progress
  FROM key_result k JOIN objective o ON o.organization_id = $1 AND o.id = k.objective_id
 WHERE k.organization_id = $1 AND o.cycle_id = $2
"""
_COUNTS = """
INSERT INTO health_count (organization_id, cycle_id, unit_id, health, objectives, with_progress,
                          progress_sum)
SELECT organization_id, cycle_id, unit_id, health, count(*), count(progress), sum(progress)
  FROM objective
 WHERE organization_id = $1 AND cycle_id = $2 AND visibility = 'public'
 GROUP BY organization_id, cycle_id, unit_id, health
"""


async def write_many(
    superuser: asyncpg.Connection,
    world: World,
    cycle_id: UUID,
    units: list[UUID],
    people: list[UUID],
    count: int,
    *,
    is_analyzed: bool = True,
) -> None:
    """`count` objectives, eight below each, with three measured key results apiece."""
    async with superuser.transaction():
        # Foreign keys hold by construction; asking each row for them takes most of the time.
        await superuser.execute("SET LOCAL session_replication_role = replica")
        await superuser.execute(_OBJECTIVES, world.id, cycle_id, units, people, count)
        for statement in (_LINKS, _KEY_RESULTS, _CHECK_INS, _COUNTS):
            await superuser.execute(statement, world.id, cycle_id)
    if is_analyzed:
        await superuser.execute("VACUUM ANALYZE")
