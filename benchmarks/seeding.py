"""Goals by the thousand, written by a few set-based statements as the owner of okr's tables.

A tree of fan-out 8 in the order of breadth, three key results an objective, three check-ins a key
result, weights from 1 to 3; each third of the tree below one of three units.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

FAN_OUT = 8
KEY_RESULTS_EACH = 3
CHECK_INS_EACH = 3
UNITS = 3


@dataclass(frozen=True, slots=True)
class Seeded:
    """The goals of one organization, as far as loads ask for them."""

    key_results: int
    objectives: int
    cycle_id: UUID
    unit_id: UUID
    """One that holds a third of the objectives."""
    objective_ids: list[UUID]
    key_result_ids: list[UUID]
    """Samples in random order."""


def objectives_of(key_results: int) -> int:
    """How many objectives carry so many key results."""
    return -(-key_results // KEY_RESULTS_EACH)


async def seed(
    owner: asyncpg.Connection,
    organization_id: UUID,
    person_id: UUID,
    place: tuple[UUID, UUID, list[UUID]],
    key_results: int,
) -> None:
    """Write the goals and mark all of them for the fold; `place`: cycle, root unit, its units."""
    cycle_id, root_id, unit_ids = place
    objectives = objectives_of(key_results)
    # Ids and instants ascend together, as they do for rows that come one after the other.
    begun = int(datetime.now(UTC).timestamp() * 1000) - 2 * objectives
    known = (organization_id, person_id, cycle_id)
    async with owner.transaction():
        await owner.execute(_PREPARATION)
        await owner.execute(_NUMBERS, objectives, begun, root_id, unit_ids)
        await owner.execute(_OBJECTIVES, *known)
        await owner.execute(_LINKS, organization_id)
        await owner.execute(_KEY_RESULTS, organization_id, person_id, key_results)
        await owner.execute(_CHECK_INS, *known)
        await owner.execute(_MARKS, organization_id)


async def sample(
    owner: asyncpg.Connection, organization_id: UUID, cycle_id: UUID, unit_id: UUID
) -> Seeded:
    """What was seeded, with some of its ids."""

    async def ids(table: str) -> list[UUID]:
        rows = await owner.fetch(
            f"SELECT id FROM {table} WHERE organization_id = $1 ORDER BY random() LIMIT 2000",
            organization_id,
        )
        return [row[0] for row in rows]

    async def count(table: str) -> int:
        found: int = await owner.fetchval(
            f"SELECT count(*) FROM {table} WHERE organization_id = $1", organization_id
        )
        return found

    return Seeded(
        await count("key_result"),
        await count("objective"),
        cycle_id,
        unit_id,
        await ids("objective"),
        await ids("key_result"),
    )


async def analyze(owner: asyncpg.Connection) -> None:
    """Let the planner know what is there, and clear away what the seeding left."""
    tables: list[Any] = await owner.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    for row in tables:
        await owner.execute(f'VACUUM (ANALYZE) "{row[0]}"')


# Ids as UUIDv7 has them, for instants that are given.
_PREPARATION = """
CREATE OR REPLACE FUNCTION pg_temp.ordered_id(milliseconds bigint) RETURNS uuid
LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex(milliseconds), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
          || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;
CREATE TEMPORARY TABLE seeded (
  number integer PRIMARY KEY, id uuid NOT NULL, unit_id uuid NOT NULL, at timestamptz NOT NULL
) ON COMMIT DROP
"""
# `top` is the branch directly below the root in which an objective lies: it decides the unit.
_NUMBERS = f"""
WITH RECURSIVE branch(number, top) AS (
  SELECT 0, 0
  UNION ALL
  SELECT child, CASE branch.number WHEN 0 THEN child ELSE branch.top END
    FROM branch,
         generate_series({FAN_OUT} * branch.number + 1, {FAN_OUT} * (branch.number + 1)) AS child
   WHERE child < $1
)
INSERT INTO seeded
SELECT number, pg_temp.ordered_id($2::bigint + number),
       CASE number WHEN 0 THEN $3 ELSE ($4::uuid[])[1 + top % cardinality($4::uuid[])] END,
       to_timestamp(($2::bigint + number) / 1000.0)
  FROM branch
"""
_OBJECTIVES = f"""
INSERT INTO objective (
  organization_id, id, title, level, unit_id, owner_id, contributor_ids, cycle_id, commitment,
  visibility, viewer_ids, tags, rollup_rule, rollup_sources, rollup_health, state, health,
  parent_objective_id, excluded_by_ids, is_apart, version, created_at, updated_at, activated_at)
SELECT $1, child.id, 'Objective ' || number || ', as long as people write them on average',
       CASE number WHEN 0 THEN 'company' ELSE 'unit' END, child.unit_id, $2, '{{}}', $3,
       'aspirational', 'public', '{{}}', '{{}}', 'weights', 'both', 'pace', 'active', 'not_started',
       (SELECT parent.id FROM seeded parent
         WHERE parent.number = (child.number - 1) / {FAN_OUT} AND child.number > 0),
       '{{}}', false, 1, at, at, at
  FROM seeded child
"""
_LINKS = f"""
INSERT INTO alignment_link (
  organization_id, id, objective_id, parent_objective_id, link, weight, is_primary, is_excluded,
  created_at)
SELECT $1, gen_random_uuid(), child.id, parent.id, 'contributes', 1 + child.number % 3, true,
       false, child.at
  FROM seeded child JOIN seeded parent ON parent.number = (child.number - 1) / {FAN_OUT}
 WHERE child.number > 0
"""
_KEY_RESULTS = f"""
INSERT INTO key_result (
  organization_id, id, objective_id, title, metric_kind, unit_of_measure, start_value,
  target_value, reducer, weight, owner_id, position, current_value, progress, progress_unclamped,
  health, is_health_stated, confidence, last_check_in_id, last_check_in_at, check_in_due_at,
  is_archived, version, created_at, updated_at)
SELECT $1, gen_random_uuid(), seeded.id, 'Key result ' || place || ' of objective ' || number,
       'increase', 'number', 0, 100, 'last', 1 + (number + place) % 3, $2, place, reached,
       reached / 100.0, reached / 100.0, 'not_started', false, 0.5,
       pg_temp.ordered_id((extract(epoch FROM now()) * 1000)::bigint), now() - interval '1 day',
       now() + (number % 20 - 1) * interval '1 day', false, 1, at, at
  FROM seeded, generate_series(0, {KEY_RESULTS_EACH - 1}) AS place,
       floor(random() * 100 + 0 * number) AS reached
 WHERE {KEY_RESULTS_EACH} * number + place < $3
"""
_CHECK_INS = f"""
INSERT INTO check_in (
  organization_id, id, key_result_id, cycle_id, value, confidence, note, milestones_done,
  measured_at, recorded_at, author_id, progress_before, progress_after, progress_unclamped)
SELECT $1,
       CASE turn WHEN {CHECK_INS_EACH} THEN last_check_in_id ELSE gen_random_uuid() END,
       id, $3, current_value * turn / {CHECK_INS_EACH}, 0.5, 'A few words on how it went', '{{}}',
       last_check_in_at - ({CHECK_INS_EACH} - turn) * interval '7 days',
       last_check_in_at - ({CHECK_INS_EACH} - turn) * interval '7 days', $2,
       progress * (turn - 1) / {CHECK_INS_EACH}, progress * turn / {CHECK_INS_EACH},
       progress * turn / {CHECK_INS_EACH}
  FROM key_result, generate_series(1, {CHECK_INS_EACH}) AS turn
 WHERE organization_id = $1
"""
_MARKS = """
INSERT INTO stale_objective (organization_id, objective_id, marked_at)
SELECT $1, id, now() FROM seeded
"""
