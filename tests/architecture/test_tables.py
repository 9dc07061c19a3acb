"""Tables: every tenant's rows stay the tenant's, whatever a query forgets."""

import importlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import MetaData, Table, UniqueConstraint
from sqlalchemy.orm import Mapper, configure_mappers

from kernel.database import Tenanted, new_metadata, row_security

SERVICES = ("identity", "okr", "feedback")
# Closed and reviewed (decision 0004): relay, fold, jobs and sign-in run before a tenant is known.
WITHOUT_TENANT = {"outbox", "job", "stale_objective", "organization", "signing_key"}
WITHOUT_TENANT |= {"catalogue_platform", "sign_in_counter"}
# Identity reads its rows before the tenant is known; each has its reason in its model's docstring.
LAYERS = {
    "okr": ["directory", "cycles", "objectives", "checkins", "alignment", "imports"],
    "identity": ["audit", "organizations", "units", "catalogue", "people", "assignments", "tokens"],
    "feedback": ["directory", "requests"],
}


def metadata_of(service: str) -> MetaData:
    return importlib.import_module(f"services.{service}.tables").metadata


def tables() -> Iterator[tuple[str, Table]]:
    for service in SERVICES:
        for table in metadata_of(service).sorted_tables:
            yield service, table


def mappers(service: str) -> list[Mapper]:
    metadata_of(service)
    configure_mappers()
    base = importlib.import_module(f"services.{service}.base").Base
    return list(base.registry.mappers)


def faults_of(table: Table) -> list[str]:
    """What lets a row of a tenant table meet another tenant's."""
    if table.name in WITHOUT_TENANT:
        return []
    key = [column.name for column in table.primary_key.columns]
    faults = [] if key[:1] == ["organization_id"] else [f"{table.name}: primary key {key}"]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            columns = [column.name for column in constraint.columns]
            if columns[:1] != ["organization_id"]:
                faults.append(f"{table.name}: unique {columns}")
    faults += [
        f"{table.name}: unique index {index.name}"
        for index in table.indexes
        if index.unique and next(iter(index.columns)).name != "organization_id"
    ]
    for reference in table.foreign_key_constraints:
        columns = [column.name for column in reference.columns]
        if columns[:1] != ["organization_id"]:
            faults.append(f"{table.name}: foreign key {columns}")
    return faults


@pytest.mark.parametrize(("service", "table"), list(tables()), ids=str)
def test_a_tenants_rows_point_only_at_its_own(service, table):
    assert faults_of(table) == [], (
        "Begin every key, unique constraint and foreign key with organization_id "
        "(kernel.database.tenant_foreign_key)."
    )


@pytest.mark.parametrize("service", SERVICES)
def test_every_mapped_table_is_tenanted_or_on_the_list(service):
    strays = [
        mapper.local_table.name
        for mapper in mappers(service)
        if not issubclass(mapper.class_, Tenanted) and mapper.local_table.name not in WITHOUT_TENANT
    ]

    assert strays == [], "Derive from Tenanted, or argue for the closed list in decision 0004."


@pytest.mark.parametrize("service", SERVICES)
def test_relationships_stay_inside_their_slice_and_load_nothing_by_themselves(service):
    for mapper in mappers(service):
        slice_of = mapper.class_.__module__
        for relationship in mapper.relationships:
            assert relationship.lazy == "raise", f"{relationship}: say what a query loads"
            assert relationship.mapper.class_.__module__ == slice_of, f"{relationship} leaves"


@pytest.mark.parametrize("service", SERVICES)
def test_foreign_keys_point_to_the_same_or_a_lower_slice(service):
    owner = {
        mapper.local_table.name: mapper.class_.__module__.split(".")[2]
        for mapper in mappers(service)
    }
    order = LAYERS[service]
    for table in metadata_of(service).sorted_tables:
        for reference in table.foreign_key_constraints:
            source, target = owner[table.name], owner[reference.referred_table.name]
            assert order.index(target) <= order.index(source), f"{table.name} → {target}: upwards"


def test_the_checks_see_violations():
    """The negative control: a table that forgets its tenant."""
    from sqlalchemy import Column, ForeignKey, Integer

    careless = Table(
        "careless",
        new_metadata(),
        Column("id", Integer, primary_key=True),
        Column("other_id", Integer, ForeignKey("careless.id")),
        UniqueConstraint("other_id"),
    )

    assert len(faults_of(careless)) == 3


async def test_row_security_is_on_and_forced(
    server, okr_settings, identity_settings, feedback_settings
):
    for settings in (okr_settings, identity_settings, feedback_settings):
        database = urlsplit(settings.service_database_url.get_secret_value()).path.lstrip("/")
        connection = await server.connect(database)
        try:
            rows = await connection.fetch(
                "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced,"
                " (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid) AS policies"
                " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        finally:
            await connection.close()
        tenanted = [
            row for row in rows if row["relname"] not in WITHOUT_TENANT | {"alembic_version"}
        ]
        assert tenanted
        unforced = [row["relname"] for row in tenanted if not (row["forced"] and row["policies"])]
        assert unforced == [], "Add kernel.database.row_security to the migration."


def test_row_security_says_no_tenant_means_no_rows():
    statements = row_security("thing", "owner")

    assert any("FORCE ROW LEVEL SECURITY" in statement for statement in statements)
    assert any("nullif(current_setting" in statement for statement in statements)
