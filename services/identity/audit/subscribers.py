"""Audit entries arrive from every service, identity included, as events of the topic `audit`."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from kernel.audit import AuditEntry
from kernel.inbox import ManyAtOnce
from services.identity.audit import commands
from services.identity.audit.rules import chain_key


async def keep_entries(session: AsyncSession, payloads: list[dict[str, Any]]) -> None:
    """Keep what a service recorded; its name is that of the key it called with."""
    await commands.keep_entries(
        session,
        chain_key(session.info["sealing_key"]),
        session.info["source"],
        [AuditEntry.model_validate(payload) for payload in payloads],
    )


SUBSCRIBERS = {AuditEntry.name: ManyAtOnce(keep_entries)}
