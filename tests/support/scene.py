"""An organization in which every operation can be carried out, and how one operation is called.

A `Scene` is one organization known to all three services. A `Standing` is somebody in it who is
about to act, with the scope by which they do: goals and people are made where that scope reaches.
`tests/support/calls` says for each operation how to call it successfully.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2

from services.identity.catalogue.rules import read_catalogue
from tests.support.identity import PASSWORD, Company, make_company
from tests.support.operations import operations
from tests.support.tokens import claims_for, signed
from tests.support.whole import Picture, Whole


@dataclass(frozen=True)
class Call:
    """One request of an operation: its parameters and body, and who sends it if not the actor."""

    path: dict[str, str] = field(default_factory=dict)
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    reads: str | None = None
    """Where the ETag for If-Match is read; the path itself unless said otherwise."""
    by: UUID | None = None
    token: str | None = None
    form: dict[str, Any] = field(default_factory=dict)
    """What `httpx` takes for a multipart body."""


@dataclass
class Scene:
    """One organization: its people, two units, a running year and what is in it."""

    whole: Whole
    company: Company
    keeper: UUID
    """Administrator who also holds every role of the platform at the root."""
    colleague: UUID
    """The same without being administrator; owns what the keeper must not."""
    newcomer: UUID
    """Somebody without any role, in the sub-unit."""
    unit: UUID
    """A unit below the root."""
    year: str = ""
    approves: bool = False

    @property
    def id(self) -> UUID:
        return self.company.id

    async def token(self, person_id: UUID) -> str:
        epoch = await self.whole.databases["identity"].fetchval(
            "SELECT epoch FROM person WHERE organization_id = $1 AND id = $2", self.id, person_id
        )
        return signed(claims_for(person_id, self.id, epoch=epoch, platform=self.company.platform))

    async def send(
        self,
        operation_id: str,
        call: Call,
        *,
        by: UUID | None = None,
        scene: "Scene | None" = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx2.Response:
        """Carry a call out as `by`, or as its own sender; `scene` is the sender's organization."""
        operation = operations()[operation_id]
        sender = by or call.by or self.keeper
        sent = dict(headers or {})
        if not operation.is_public:
            token = call.token if by is None and call.token else None
            sent["Authorization"] = f"Bearer {token or await (scene or self).token(sender)}"
        path = operation.path.format(**call.path)
        if operation.needs_version and "If-Match" not in sent:
            sent["If-Match"] = await self.tag(call.reads or path)
        if call.form:
            options |= call.form
        elif "content" in options:
            sent.setdefault("Content-Type", "application/json")
        elif call.body is not None:
            options["json"] = call.body
        if call.query:
            options["params"] = call.query
        return await self.whole.request(operation.method, path, headers=sent, **options)

    async def tag(self, path: str) -> str:
        """The ETag by which the keeper would edit."""
        headers = {"Authorization": f"Bearer {await self.token(self.keeper)}"}
        read = await self.whole.request("GET", path, headers=headers)
        return str(read.headers.get("ETag", '"v1"'))

    async def done(self, operation_id: str, call: Call, by: UUID | None = None) -> Any:
        """The answer of a call that succeeds."""
        answer = await self.send(operation_id, call, by=by)
        assert answer.is_success, f"{operation_id}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def picture(self) -> Picture:
        """What the databases hold of this organization."""
        return await self.whole.picture(self.id)

    async def fold(self) -> None:
        """Bring what is under way to its place, and everything that is derived up to date."""
        await self.whole.deliver()
        token = await self.token(self.keeper)
        headers = {"Authorization": f"Bearer {token}", "Prefer": "fresh"}
        path = f"/v1/dashboards/me?cycle_id={self.year}"
        assert (await self.whole.request("GET", path, headers=headers)).is_success

    async def approval(self, *levels: str) -> None:
        """Let goals of these levels be approved before they begin; none is the default."""
        if bool(levels) != self.approves:
            self.approves = bool(levels)
            body = {"approval_levels": list(levels)}
            await self.done("update_goal_settings", Call(body=body))

    async def person(self, *roles: str, **values: Any) -> UUID:
        """Somebody new, known to all services."""
        values = {"unit_id": self.unit} | values
        person_id = await self.company.person(*roles, **values)
        await self.whole.deliver()
        return person_id

    def standing(self, actor: UUID | None = None, **values: Any) -> "Standing":
        return Standing(self, actor or self.keeper, **values)


@dataclass(frozen=True)
class Standing:
    """Somebody about to act by one scope, and the place that it reaches."""

    scene: Scene
    actor: UUID
    scope: str = "everything"
    """A scope of the catalogue; `everything` is the keeper's: unit goals of one's own."""
    unit: UUID | None = None
    """The unit of the actor's role; the root unless said otherwise."""
    below: UUID | None = None
    """A unit below that one."""
    report: UUID | None = None
    """Somebody in the actor's line, for the scope `reports`."""

    @property
    def place(self) -> UUID:
        """Where people and units are put: in reach of the scope."""
        return self.unit or self.scene.company.root_id

    @property
    def goals(self) -> dict[str, Any]:
        """Level, unit and owner of a goal in reach, owned by somebody else where that can be."""
        other = str(self.scene.colleague)
        match self.scope:
            case "org":
                return {"level": "company", "owner_id": other}
            case "unit":
                unit = self.below or self.scene.unit
                return {"level": "unit", "unit_id": str(unit), "owner_id": other}
            case "board":
                return {"level": "unit", "unit_id": str(self.place), "owner_id": other}
            case "own":
                return {"level": "individual", "owner_id": str(self.actor)}
            case "reports":
                return {"level": "individual", "owner_id": str(self.report)}
            case _:
                place = {"level": "unit", "unit_id": str(self.scene.unit)}
                return place | {"owner_id": str(self.actor)}

    async def objective(self, **values: Any) -> str:
        """A new draft in reach."""
        made = await self.scene.done("create_objective", Call(body=self.aim(**values)))
        return str(made["id"])

    def aim(self, **values: Any) -> dict[str, Any]:
        body = {
            "title": "An aim",
            "cycle_id": self.scene.year,
            "commitment": "committed",
            "visibility": "public",
        }
        return body | self.goals | values

    async def active_objective(self, **values: Any) -> str:
        await self.scene.approval()
        objective_id = await self.objective(**values)
        await self.scene.done("activate_objective", Call({"objective_id": objective_id}))
        return objective_id

    async def key_result(self, objective_id: str | None = None, **values: Any) -> str:
        """A new key result of an active objective, whose owner is the objective's."""
        parent = {"objective_id": objective_id or await self.active_objective()}
        made = await self.scene.done("add_key_result", Call(parent, measure(**values)))
        return str(made["id"])


def measure(**values: Any) -> dict[str, Any]:
    body = {"title": "A measure", "metric_kind": "increase", "unit_of_measure": "number"}
    return body | {"start_value": 0, "target_value": 10} | values


Builder = Callable[[Standing], Awaitable[Call]]
CALLS: dict[str, Builder] = {}


def call(builder: Builder) -> Builder:
    """Note how an operation is carried out; the function's name is the operation's id."""
    assert builder.__name__ not in CALLS
    CALLS[builder.__name__] = builder
    return builder


def elsewhere(told: Call) -> Call:
    """The same call with ids in its path that never existed."""
    strange = {
        name: str(uuid4()) if _is_id(value) else f"no-{value}" for name, value in told.path.items()
    }
    return replace(told, path=strange)


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4


async def new_scene(whole: Whole, platform: str = "leapsome") -> Scene:
    """An organization with people, units and an active year."""
    company = await make_company(whole.apps["identity"], platform)
    whole.trust()
    whole.organizations.add(company.id)
    roles = [role.key for role in read_catalogue().platforms[platform].roles]
    colleague = await company.person(*roles, password=PASSWORD)
    keeper = await company.person("administrator", *roles, password=PASSWORD)
    unit = await company.unit()
    newcomer = await company.person(unit_id=unit, password=PASSWORD)
    scene = Scene(whole, company, keeper, colleague, newcomer, unit)
    await whole.deliver()
    body = {"name": "A year", "starts_on": "2026-01-01", "ends_on": "2026-12-31"}
    made = await scene.done("create_cycle", Call(body=body | {"cadence": "weekly"}))
    scene.year = made["id"]
    await scene.done("activate_cycle", Call({"cycle_id": scene.year}))
    return scene
