"""An installation without the demo, and companies made in it through the API alone."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from services.data_folder import DataFolder
from services.supervisor import answers_ready
from tests.journeys.conftest import Cairn, wait_until
from tests.support.product import Caller, Product

PASSWORD = "a long enough password"
# Access tokens live for five minutes; a new one is asked for well before.
_FRESH_FOR = 200.0
_PATHS = ("/v1/platforms", "/v1/objectives", "/v1/feedback")
_numbers = count(1)


class Member(Caller):
    """Somebody of a company, who signs in with a password of their own."""

    def __init__(self, product: Product, slug: str, email: str, password: str = PASSWORD) -> None:
        super().__init__(product, slug, email)
        self.email, self.password = email, password

    def sign_in(self) -> dict[str, Any]:
        """A new session `{access_token, refresh_token, …}`, apart from the one of `token`."""
        body = {"organization": self.slug, "email": self.email, "password": self.password}
        answer = self.product.client.post("/v1/sessions", json=body)
        assert answer.is_success, answer.text
        session: dict[str, Any] = answer.json()
        return session

    @property
    def token(self) -> str:
        if time.monotonic() - self._got_at > _FRESH_FOR:
            self._token = str(self.sign_in()["access_token"])
            self._got_at = time.monotonic()
        return self._token

    def wait_until_known(self) -> "Member":
        """Return when every service has heard of this person and of what they hold now."""
        for path in ("/v1/objectives?limit=1", "/v1/feedback?limit=1"):
            wait_until(lambda path=path: self.call("GET", path).is_success, f"{path} knows {self}")
        return self


class Company:
    """An organization from `cairn create-organization` on, seen by its administrator."""

    def __init__(self, product: Product, slug: str, platform: str) -> None:
        self.product, self.slug, self.platform = product, slug, platform
        address = f"administrator@{slug}.example"
        made = product.cairn.run(
            "create-organization", slug, "--platform", platform, "--administrator", address
        )
        assert made.returncode == 0, made.stderr
        password = made.stdout.split("shown this once: ")[1].split()[0]
        self.administrator = Member(product, slug, address, password)

    @cached_property
    def id(self) -> str:
        return str(self.administrator.get("/v1/organization")["id"])

    @property
    def root_id(self) -> str:
        """The company itself, as a unit."""
        return self.administrator.unit_id

    def unit(self, name: str, parent_id: str | None = None, kind: str = "team") -> str:
        """A new unit's id."""
        body = {"name": name, "parent_id": parent_id or self.root_id, "kind": kind}
        return str(self.administrator.post("/v1/units", body)["id"])

    def member(self, role: str, unit_id: str | None = None, **fields: Any) -> Member:
        """Somebody new who holds a role in a unit, known to every service."""
        email = f"{role}-{next(_numbers)}@{self.slug}.example"
        unit_id = unit_id or self.root_id
        body = {"name": role, "email": email, "password": PASSWORD, "unit_ids": [unit_id]}
        person = self.administrator.post("/v1/people", body | fields)
        held = {"person_id": person["id"], "role": role, "unit_id": unit_id}
        self.administrator.post("/v1/role-assignments", held)
        return Member(self.product, self.slug, email).wait_until_known()

    def running_quarter(self, maker: Member | None = None) -> str:
        """A year and a quarter in it, both active; made by the administrator unless told."""
        maker = maker or self.administrator
        cycle_id: str | None = None
        for name, (first, last) in _running_periods().items():
            body = {"name": name, "starts_on": first, "ends_on": last, "cadence": "weekly"}
            cycle_id = maker.post("/v1/cycles", body | {"parent_id": cycle_id})["id"]
            maker.post(f"/v1/cycles/{cycle_id}/activate")
        assert cycle_id is not None
        return cycle_id


def _running_periods() -> dict[str, tuple[str, str]]:
    """First and last day of this year and of its quarter that runs."""
    today = datetime.now(UTC).date()
    first_month = (today.month - 1) // 3 * 3 + 1
    first = date(today.year, first_month, 1)
    after = date(today.year + first_month // 10, (first_month + 2) % 12 + 1, 1)
    return {
        "The year": (f"{today.year}-01-01", f"{today.year}-12-31"),
        "The quarter": (str(first), str(after - timedelta(days=1))),
    }


async def _all_ready(addresses: list[str]) -> bool:
    return all(await asyncio.gather(*(answers_ready(address) for address in addresses)))


class Standing(Product):
    """A running installation without the demo, that companies are made in."""

    def company(self, platform: str) -> Company:
        """A new organization of a platform."""
        return Company(self, f"{platform}-{os.getpid()}-{next(_numbers)}", platform)

    @property
    def is_whole(self) -> bool:
        """Whether every service process is ready, its database included, and behind the gateway."""
        peers = DataFolder(self.cairn.data).read_running().get("peers", {})
        addresses = [address for listed in peers.values() for address in listed]
        if not addresses or not asyncio.run(_all_ready(addresses)):
            return False
        return all(self.cairn.status(path) in {200, 401} for path in _PATHS)


@contextmanager
def stand(**settings: str) -> Iterator[Standing]:
    """An installation on a folder of its own, up until the end."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-journey-"))
    cairn = Cairn(folder, **settings)
    try:
        cairn.up()
        standing = Standing(cairn)
        with standing.client:
            yield standing
        assert cairn.stop() == 0
    finally:
        cairn.close()
        shutil.rmtree(folder)
