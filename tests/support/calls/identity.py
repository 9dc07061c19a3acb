"""Successful calls of the operations on who is there and what they may do."""

from typing import Any
from uuid import UUID, uuid4

from kernel.scopes import Scope
from services.identity.catalogue.rules import read_catalogue
from tests.support.identity import PASSWORD
from tests.support.scene import Call, Standing, call

NEW_PASSWORD = "another password for tests"


@call
async def get_signing_keys(at: Standing) -> Call:
    return Call()


@call
async def sign_in(at: Standing) -> Call:
    return Call(body=credentials(at))


def credentials(at: Standing, email: str = "administrator@company.example") -> dict[str, str]:
    return {"organization": at.scene.company.slug, "email": email, "password": PASSWORD}


@call
async def refresh_session(at: Standing) -> Call:
    tokens = await at.scene.done("sign_in", Call(body=credentials(at)))
    return Call(body={"refresh_token": tokens["refresh_token"]})


async def _signed_in(at: Standing) -> tuple[UUID, str]:
    """Somebody new with one session, and its token."""
    email = f"{uuid4()}@company.example"
    person_id = await at.scene.person(password=PASSWORD, email=email)
    tokens = await at.scene.done("sign_in", Call(body=credentials(at, email)))
    return person_id, tokens["access_token"]


@call
async def list_sessions(at: Standing) -> Call:
    person_id, _ = await _signed_in(at)
    email = (await at.scene.done("get_me", Call(by=person_id)))["email"]
    await at.scene.done("sign_in", Call(body=credentials(at, email)))
    return Call(by=person_id)


@call
async def end_sessions(at: Standing) -> Call:
    person_id, _ = await _signed_in(at)
    return Call(by=person_id)


@call
async def end_current_session(at: Standing) -> Call:
    person_id, token = await _signed_in(at)
    return Call(by=person_id, token=token)


@call
async def end_session(at: Standing) -> Call:
    person_id, _ = await _signed_in(at)
    (session,) = (await at.scene.done("list_sessions", Call(by=person_id)))["items"]
    return Call({"session_id": session["id"]}, by=person_id)


@call
async def end_person_sessions(at: Standing) -> Call:
    person_id = await _managed(at)
    return Call({"person_id": person_id})


@call
async def get_me(at: Standing) -> Call:
    return Call()


@call
async def list_my_permissions(at: Standing) -> Call:
    return Call()


@call
async def change_password(at: Standing) -> Call:
    person_id = await at.scene.person(password=PASSWORD)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return Call(body=body, by=person_id)


@call
async def get_organization(at: Standing) -> Call:
    return Call()


@call
async def update_organization(at: Standing) -> Call:
    return Call(body={"name": f"A company {uuid4()}"})


@call
async def list_people(at: Standing) -> Call:
    return Call()


@call
async def get_person(at: Standing) -> Call:
    return Call({"person_id": str(at.scene.newcomer)})


async def _managed(at: Standing, **values: Any) -> str:
    return str(await at.scene.person(unit_id=at.place, **values))


@call
async def create_person(at: Standing) -> Call:
    email = f"{uuid4()}@company.example"
    return Call(body={"name": "Somebody", "email": email, "unit_ids": [str(at.place)]})


@call
async def update_person(at: Standing) -> Call:
    return Call({"person_id": await _managed(at)}, {"name": "Somebody else"})


@call
async def deactivate_person(at: Standing) -> Call:
    return Call({"person_id": await _managed(at)})


@call
async def reactivate_person(at: Standing) -> Call:
    return Call({"person_id": await _managed(at, is_active=False)})


@call
async def list_units(at: Standing) -> Call:
    await _unit(at)
    return Call()


@call
async def get_unit(at: Standing) -> Call:
    return Call({"unit_id": str(at.scene.unit)})


async def _unit(at: Standing) -> str:
    made = await at.scene.done("create_unit", Call(body=_new_unit(at)))
    return str(made["id"])


def _new_unit(at: Standing) -> dict[str, str]:
    return {"name": f"Unit {uuid4()}", "parent_id": str(at.place)}


@call
async def create_unit(at: Standing) -> Call:
    return Call(body=_new_unit(at))


@call
async def update_unit(at: Standing) -> Call:
    return Call({"unit_id": await _unit(at)}, {"name": f"Unit {uuid4()}"})


@call
async def archive_unit(at: Standing) -> Call:
    return Call({"unit_id": await _unit(at)})


@call
async def restore_unit(at: Standing) -> Call:
    archived = {"unit_id": await _unit(at)}
    await at.scene.done("archive_unit", Call(archived))
    return Call(archived)


@call
async def list_role_assignments(at: Standing) -> Call:
    return Call()


def modest_role(platform: str) -> str:
    """A role that anybody who assigns roles may give: nothing of identity, nothing of `@org`."""
    catalogue = read_catalogue()
    return next(
        role.key
        for role in catalogue.platforms[platform].roles
        if all(
            grant.scope is not Scope.ORG
            and catalogue.capabilities[grant.capability].service != "identity"
            for grant in role.grants
        )
    )


def _modest(at: Standing, person_id: str) -> dict[str, str]:
    role = modest_role(at.scene.company.platform)
    return {"person_id": person_id, "role": role, "unit_id": str(at.place)}


async def _assignment(at: Standing) -> str:
    body = _modest(at, await _managed(at))
    return str((await at.scene.done("create_role_assignment", Call(body=body)))["id"])


@call
async def get_role_assignment(at: Standing) -> Call:
    return Call({"assignment_id": await _assignment(at)})


@call
async def create_role_assignment(at: Standing) -> Call:
    return Call(body=_modest(at, await _managed(at)))


@call
async def update_role_assignment(at: Standing) -> Call:
    below = str(at.below or at.scene.unit)
    return Call({"assignment_id": await _assignment(at)}, {"unit_id": below})


@call
async def delete_role_assignment(at: Standing) -> Call:
    return Call({"assignment_id": await _assignment(at)})


@call
async def list_platforms(at: Standing) -> Call:
    return Call()


@call
async def get_platform(at: Standing) -> Call:
    return Call({"platform": "leapsome"})


@call
async def get_platform_role(at: Standing) -> Call:
    return Call({"platform": "leapsome", "role": "employee"})


@call
async def list_audit_events(at: Standing) -> Call:
    return Call()


@call
async def get_audit_event(at: Standing) -> Call:
    entries = await at.scene.done("list_audit_events", Call(query={"limit": "1"}))
    return Call({"audit_event_id": entries["items"][0]["id"]})


@call
async def verify_audit_events(at: Standing) -> Call:
    return Call()
