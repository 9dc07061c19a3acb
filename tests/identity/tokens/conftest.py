"""Identity with its own keys, so that tokens are those it has signed itself."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from kernel.app import create_app
from services.identity.app import SERVICE
from tests.support.identity import PASSWORD, Company

EMAIL = "administrator@company.example"


@pytest.fixture(scope="session")
async def live(identity_settings) -> AsyncIterator[FastAPI]:
    """The application with the verifier it has in an installation."""
    application = create_app(SERVICE, identity_settings)
    async with application.router.lifespan_context(application):
        yield application


@dataclass
class Visitor:
    """Somebody at the door of a company, from one address."""

    client: httpx2.AsyncClient
    app: FastAPI
    company: Company
    address: str = "192.0.2.1"

    async def sign_in(
        self,
        email: str = EMAIL,
        password: str = PASSWORD,
        organization: str | None = None,
        address: str | None = None,
    ) -> httpx2.Response:
        body = {
            "organization": organization or self.company.slug,
            "email": email,
            "password": password,
        }
        headers = {"X-Forwarded-For": address or self.address, "X-Request-Id": "same"}
        return await self.client.post("/v1/sessions", json=body, headers=headers)

    async def signed_in(self, email: str = EMAIL, password: str = PASSWORD) -> dict[str, str]:
        answer = await self.sign_in(email, password)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refresh(self, refresh_token: str) -> httpx2.Response:
        body = {"refresh_token": refresh_token}
        headers = {"X-Request-Id": "same"}
        return await self.client.post("/v1/sessions/refresh", json=body, headers=headers)

    async def get(self, path: str, access_token: str) -> httpx2.Response:
        return await self.request("GET", path, access_token)

    async def request(self, method: str, path: str, access_token: str) -> httpx2.Response:
        self.app.state.runtime.authorities.forget()
        headers = {"Authorization": f"Bearer {access_token}", "X-Request-Id": "same"}
        return await self.client.request(method, path, headers=headers)

    async def choose(self, access_token: str, current_password: str) -> httpx2.Response:
        """Choose another password, naming the current one."""
        self.app.state.runtime.authorities.forget()
        body = {"current_password": current_password, "new_password": "quite another password"}
        headers = {"Authorization": f"Bearer {access_token}", "X-Forwarded-For": self.address}
        return await self.client.put("/v1/me/password", json=body, headers=headers)

    async def person(self, *roles: str, password: str = PASSWORD) -> tuple[UUID, str]:
        """Somebody who can sign in: id and address."""
        person_id = await self.company.person(*roles, password=password)
        async with self.company.session() as session:
            from services.identity.people import queries

            return person_id, (await queries.person(session, person_id)).email


@pytest.fixture
async def visitor(live, company) -> AsyncIterator[Visitor]:
    transport = httpx2.ASGITransport(live, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://cairn.test") as client:
        from kernel.ids import uuid7

        # A network of its own: what other tests count does not count here.
        yield Visitor(client, live, company, f"2001:db8:{uuid7().hex[-4:]}:{uuid7().hex[-4:]}::1")
