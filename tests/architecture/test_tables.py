"""Tables: every tenant's rows stay the tenant's, whatever a query forgets."""

import importlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import ForeignKey, MetaData, Table, UniqueConstraint
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Mapper,
    configure_mappers,
    mapped_column,
    relationship,
)

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


def relationship_faults(mapper: Mapper) -> list[str]:
    """Relationships that leave the slice of their table, or load what no query says it loads."""
    faults = []
    for link in mapper.relationships:
        if link.lazy != "raise":
            faults.append(f"{link}: say what a query loads")
        if link.mapper.class_.__module__ != mapper.class_.__module__:
            faults.append(f"{link} leaves its slice")
    return faults


@pytest.mark.parametrize("service", SERVICES)
def test_relationships_stay_inside_their_slice_and_load_nothing_by_themselves(service):
    assert [fault for mapper in mappers(service) for fault in relationship_faults(mapper)] == []


def upward_references(metadata: MetaData, slices: dict[str, str], order: list[str]) -> list[str]:
    """Foreign keys of a table to one of a higher slice; `slices`: table → its slice."""
    return [
        f"{table.name} → {reference.referred_table.name}"
        for table in metadata.sorted_tables
        for reference in table.foreign_key_constraints
        if order.index(slices[reference.referred_table.name]) > order.index(slices[table.name])
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_foreign_keys_point_to_the_same_or_a_lower_slice(service):
    slices = {
        mapper.local_table.name: mapper.class_.__module__.split(".")[2]
        for mapper in mappers(service)
    }

    assert upward_references(metadata_of(service), slices, LAYERS[service]) == []


class Careless(DeclarativeBase):
    """The base of tables that do what the checks above look for."""

    metadata = new_metadata()


class Above(Careless):
    __tablename__ = "above"
    __module__ = "services.okr.alignment.models"

    id: Mapped[int] = mapped_column(primary_key=True)


class Below(Careless):
    __tablename__ = "below"
    __module__ = "services.okr.cycles.models"

    id: Mapped[int] = mapped_column(primary_key=True)
    above_id: Mapped[int] = mapped_column(ForeignKey("above.id"), unique=True)
    above: Mapped[Above] = relationship()


def test_the_checks_see_violations():
    """The negative control: a tenant forgotten three times, a reference upwards, a lazy way out."""
    assert len(faults_of(Below.__table__)) == 3
    slices = {"above": "alignment", "below": "cycles"}
    assert upward_references(Careless.metadata, slices, LAYERS["okr"]) == ["below → above"]
    assert relationship_faults(Below.__mapper__) == [
        "Below.above: say what a query loads",
        "Below.above leaves its slice",
    ]


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
