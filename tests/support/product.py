"""The running product with its demo, and people who are logged in to it through the gateway."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2

from tests.journeys.conftest import Cairn

PASSWORD = "cairn-demo"
# Access tokens live for five minutes; a test asks for a new one well before.
_FRESH_FOR = 200.0


class Caller:
    """Somebody in a role, calling the public API as a client would."""

    def __init__(self, product: "Product", slug: str, role: str) -> None:
        self.product, self.slug, self.role = product, slug, role
        self._token, self._got_at = "", float("-inf")

    def __repr__(self) -> str:
        return f"{self.role}@{self.slug}"

    @property
    def token(self) -> str:
        if time.monotonic() - self._got_at > _FRESH_FOR:
            self._token = self.product.login(self.slug, f"{self.role}@{self.slug}.example")
            self._got_at = time.monotonic()
        return self._token

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.product.client.request(method, path, json=body, headers=headers, **options)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a successful read."""
        return self._good(self.call("GET", path, params=params))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The JSON of a successful change."""
        return self._good(self.call("POST", path, body, **options))

    def edit(self, path: str, changes: Any, method: str = "PATCH", read: str | None = None) -> Any:
        """Read the resource for its ETag, then change it as a careful client does."""
        current = self.call("GET", read or path)
        self._good(current)
        tag = current.headers["etag"]
        return self._good(self.call(method, path, changes, headers={"If-Match": tag}))

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> int:
        """The status of a refusal; it must be one, and a problem document."""
        answer = self.call(method, path, body, **options)
        assert answer.status_code >= 400, f"{self} may {method} {path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code

    def fresh(self) -> None:
        """Have everything folded that was written so far, by whomever."""
        path = f"/v1/dashboards/me?cycle_id={self.quarter}"
        self._good(self.call("GET", path, headers={"Prefer": "fresh"}))

    def items(self, path: str, **params: Any) -> list[Any]:
        """All items of a list, page by page."""
        found: list[Any] = []
        cursor: dict[str, Any] = {}
        while True:
            page = self.get(path, limit=200, **params, **cursor)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    @staticmethod
    def _good(answer: httpx2.Response) -> Any:
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
        return answer.json() if answer.content else None

    @cached_property
    def me(self) -> Any:
        return self.get("/v1/me")

    @property
    def id(self) -> str:
        return str(self.me["id"])

    @property
    def unit_id(self) -> str:
        """The unit of the role's assignment."""
        return str(self.me["assignments"][0]["unit_id"])

    @cached_property
    def year(self) -> str:
        return self._cycle(None)

    @cached_property
    def quarter(self) -> str:
        return self._cycle(self.year)

    def _cycle(self, parent_id: str | None) -> str:
        cycles = self.items("/v1/cycles")
        (found,) = [
            cycle["id"]
            for cycle in cycles
            if cycle["parent_id"] == parent_id and cycle["state"] == "active"
        ]
        return str(found)

    def objective(self, title: str, level: str, **fields: Any) -> Any:
        """A new objective of the running quarter."""
        body = {
            "title": title,
            "level": level,
            "cycle_id": self.quarter,
            "commitment": "committed",
            "visibility": "public",
        }
        return self.post("/v1/objectives", body | fields)

    def key_result(
        self, objective_id: str, title: str = "From nought to ten", **fields: Any
    ) -> Any:
        """A new key result that rises from 0 to 10."""
        body = {
            "title": title,
            "metric_kind": "increase",
            "unit_of_measure": "number",
            "start_value": 0,
            "target_value": 10,
        }
        return self.post(f"/v1/objectives/{objective_id}/key-results", body | fields)

    def active_objective(self, title: str, level: str, **fields: Any) -> tuple[Any, Any]:
        """A new active objective with one key result."""
        objective = self.objective(title, level, **fields)
        key_result = self.key_result(objective["id"])
        self.post(f"/v1/objectives/{objective['id']}/activate", {})
        return self.get(f"/v1/objectives/{objective['id']}"), key_result

    def check_in(self, key_result_id: str, value: float, **fields: Any) -> Any:
        path = f"/v1/key-results/{key_result_id}/check-ins"
        return self.post(path, {"value": value} | fields)


class Product:
    """A running installation with the demo in it."""

    def __init__(self, cairn: Cairn) -> None:
        self.cairn = cairn
        self.client = httpx2.Client(base_url=cairn.address, timeout=30, trust_env=False)
        self._callers: dict[tuple[str, str], Caller] = {}

    def login(self, slug: str, email: str, password: str = PASSWORD) -> str:
        body = {"organization": slug, "email": email, "password": password}
        answer = self.client.post("/v1/sessions", json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["access_token"])

    def role(self, slug: str, role: str) -> Caller:
        """Somebody who holds a role of the demo."""
        return self._callers.setdefault((slug, role), Caller(self, slug, role))


@contextmanager
def running(**settings: str) -> Iterator[Product]:
    """`cairn up --demo` on a folder of its own, ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-product-"))
    cairn = Cairn(folder, **settings)
    try:
        # Sixteen companies are loaded first, beside whatever else the machine tests.
        cairn.up("--demo", patience=400)
        product = Product(cairn)
        yield product
        product.client.close()
        cairn.stop()
    finally:
        cairn.close()
        shutil.rmtree(folder)
