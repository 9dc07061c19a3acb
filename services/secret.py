"""Whether an installation's secret is the one under which its database was filled."""

from services.databases import DatabaseAddress, connected, database_of
from services.installation import CannotRun, Keys

IDENTITY = "identity"
ANOTHER = (
    "CAIRN_SECRET, or the file `secret` of the data folder where it is not set, is not the secret "
    "under which this database was filled: restore that one"
)


async def opens_what_is_sealed(server: DatabaseAddress, keys: Keys) -> bool:
    """False when identity's signing keys were sealed under another secret.

    Asked as the server's administrator: the passwords of our own roles come from the secret, too.
    Where there is no key yet, or the administrator may not read it, nothing speaks against it.
    """
    # Most of what `cairn` does needs no cipher.
    from services.identity.tokens.rules import KeyDoesNotOpen, opened_private_key

    if (key := await _signing_key(server)) is None:
        return True
    try:
        opened_private_key(keys.sealing_key(IDENTITY), *key)
    except KeyDoesNotOpen:
        return False
    return True


async def refuse_another_secret(server: DatabaseAddress, keys: Keys) -> None:
    """Raise CannotRun before roles are given the passwords of another secret."""
    if not await opens_what_is_sealed(server, keys):
        raise CannotRun(f"{ANOTHER}. Nothing was changed.")


async def _signing_key(server: DatabaseAddress) -> tuple[str, bytes] | None:
    database = database_of(IDENTITY)
    async with connected(server) as connection:
        may_enter = await connection.fetchval(
            "SELECT has_database_privilege(datname, 'CONNECT') FROM pg_database WHERE datname = $1",
            database,
        )
    if not may_enter:
        return None
    async with connected(DatabaseAddress(server.url.set(database=database))) as connection:
        may_read = await connection.fetchval(
            "SELECT has_table_privilege(to_regclass('signing_key'), 'SELECT')"
        )
        if not may_read:
            return None
        row = await connection.fetchrow("SELECT id, sealed_private_key FROM signing_key LIMIT 1")
    return None if row is None else (str(row["id"]), bytes(row["sealed_private_key"]))
