"""The demo in the databases of services that run or are about to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kernel import database
from services.demo.presence import is_whole
from services.progress import Watch

Say = Callable[[str], None]


async def load_demo(urls: Mapping[str, str], password: str, say: Say, watch: Watch) -> None:
    """Load every demo company that is not there yet; `urls`: each service's own database.

    `watch` is told how many of the missing ones are in. Returns when okr and feedback know
    everybody and every goal, so that the first login meets no service that does not know it.
    """
    async with AsyncExitStack() as stack:
        engines = {
            name: await stack.enter_async_context(_engine(url)) for name, url in urls.items()
        }
        if await is_whole(engines):
            say("The demo is there already.")
            return
        load = await asyncio.to_thread(_loader)
        await load(engines, password, say, watch)


def _loader() -> Callable[..., Awaitable[None]]:
    # A second of imports, in a thread: the supervisor has services to look after meanwhile.
    from services.demo.companies import load_companies

    return load_companies


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url, json_serializer=database.json_text, hide_parameters=True)
    try:
        yield engine
    finally:
        await engine.dispose()
