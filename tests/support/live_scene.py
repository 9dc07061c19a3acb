"""An organization of a running product in which every operation can be carried out.

`tests/support/calls` says how each operation is called successfully; here its calls go through the
gateway to real processes, by people who have signed in.
"""

import time
from typing import Any
from uuid import UUID, uuid4

import httpx2

from services.identity.catalogue.rules import read_catalogue
from tests.support.companies import Company, Member, Standing
from tests.support.identity import PASSWORD
from tests.support.scene import Call, Scene

KEEPER = "administrator@company.example"
"""Whose credentials the calls of `sign_in` and `refresh_session` use."""
# Access tokens live for five minutes; a new one is asked for well before.
_FRESH_FOR = 200.0


class Gateway:
    """What a scene sends its requests through; the product delivers its events itself."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return self._client.request(method, path, **options)


class LiveScene(Scene):
    """A scene in the running product."""

    emails: dict[str, str]
    """Person → address, of those who can sign in."""
    tokens: dict[str, tuple[str, float]]
    """Address → the access token of the last sign-in, and when that was."""

    async def token(self, person_id: UUID) -> str:
        email = self.emails[str(person_id)]
        text, at = self.tokens.get(email, ("", float("-inf")))
        if time.monotonic() - at < _FRESH_FOR:
            return text
        body = {"organization": self.company.slug, "email": email, "password": PASSWORD}
        return str((await self.done("sign_in", Call(body=body)))["access_token"])

    async def done(self, operation_id: str, call: Call, by: UUID | None = None) -> Any:
        answered = await super().done(operation_id, call, by)
        if operation_id == "sign_in":
            self.tokens[call.body["email"]] = (answered["access_token"], time.monotonic())
        return answered

    async def person(self, *roles: str, **values: Any) -> UUID:
        """Somebody new; who has a password can sign in."""
        unit_id = str(values.pop("unit_id", self.unit))
        is_active = values.pop("is_active", True)
        body = {"name": "Somebody", "email": f"{uuid4()}@company.example", "unit_ids": [unit_id]}
        made = await self.done("create_person", Call(body=body | values))
        person_id = str(made["id"])
        if "password" in values:
            self.emails[person_id] = made["email"]
        for role in roles:
            held = {"person_id": person_id, "role": role, "unit_id": unit_id}
            await self.done("create_role_assignment", Call(body=held))
        if not is_active:
            await self.done("deactivate_person", Call({"person_id": person_id}))
        return UUID(person_id)

    async def approval(self, *levels: str) -> None:
        """Always said anew: what is tried of the settings may have changed them."""
        self.approves = not levels
        await super().approval(*levels)


def keeper_of(company: Company, roles: list[str], email: str) -> str:
    """Somebody who holds roles at the root, by the company's first administrator."""
    body = {"name": "Somebody", "email": email, "password": PASSWORD}
    person = company.administrator.post("/v1/people", body | {"unit_ids": [company.root_id]})
    for role in roles:
        held = {"person_id": person["id"], "role": role, "unit_id": company.root_id}
        company.administrator.post("/v1/role-assignments", held)
    Member(company.product, company.slug, email, PASSWORD).wait_until_known()
    return str(person["id"])


async def new_live_scene(standing: Standing, platform: str = "leapsome") -> LiveScene:
    """An organization with people, units and an active year."""
    company = standing.company(platform)
    roles = [role.key for role in read_catalogue().platforms[platform].roles]
    colleague = keeper_of(company, roles, "colleague@company.example")
    keeper = keeper_of(company, ["administrator", *roles], KEEPER)
    unit = company.unit("A unit")
    scene = LiveScene(
        Gateway(standing.client), company, UUID(keeper), UUID(colleague), UUID(keeper), UUID(unit)
    )
    scene.tokens = {}
    scene.emails = {keeper: KEEPER, colleague: "colleague@company.example"}
    scene.newcomer = await scene.person(password=PASSWORD)
    body = {"name": "A year", "starts_on": "2026-01-01", "ends_on": "2026-12-31"}
    made = await scene.done("create_cycle", Call(body=body | {"cadence": "weekly"}))
    scene.year = made["id"]
    await scene.done("activate_cycle", Call({"cycle_id": scene.year}))
    return scene
