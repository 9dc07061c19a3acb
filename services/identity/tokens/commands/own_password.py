"""Choosing another password: whoever holds a token alone does not guess the password with it."""

from kernel import audit
from kernel.authorization import Principal
from kernel.errors import Unprocessable
from services.identity.organizations import queries as organizations
from services.identity.people import commands as people_commands
from services.identity.people import queries as people
from services.identity.people.commands import passwords
from services.identity.people.models import Person
from services.identity.people.schemas import NewPassword
from services.identity.tokens import rules
from services.identity.tokens.commands import throttling
from services.identity.tokens.commands.sessions import Issuer, Origin


async def change_password(
    issuer: Issuer, actor: Principal, wanted: NewPassword, origin: Origin
) -> None:
    """Another password for oneself; every session of the person ends.

    A wrong current password counts like a failed sign-in of the account, and takes no more of the
    cores that hash than those may.
    """
    async with issuer.transaction(actor.organization_id) as session:
        person = await people.person(session, actor.person_id)
        slug = (await organizations.organization(session)).slug
    known_words = (person.email, person.email.partition("@")[0], person.name, slug)
    clear = passwords.require_good(wanted.new_password, "/new_password", known_words)
    counters = rules.counters_of(issuer.secret("sign-in"), slug, person.email, origin.address)
    current = wanted.current_password.get_secret_value()
    async with throttling.attempt(issuer.engine, counters) as attempt:
        # No transaction is open here: who waits for a core to hash on holds no connection.
        if not await passwords.is_correct(current, person.password_hash):
            attempt.has_failed = True
            await _record_refusal(issuer, actor, attempt)
            raise _wrong_password()
        await _replace(issuer, actor, person, await passwords.hashed(clear))
        attempt.has_succeeded = True


async def _record_refusal(issuer: Issuer, actor: Principal, attempt: throttling.Attempt) -> None:
    async with issuer.transaction(actor.organization_id) as session:
        await throttling.settle(session, attempt)
        subject = ("person", actor.person_id)
        await audit.record(session, actor, "person.password_refused", subject)


async def _replace(issuer: Issuer, actor: Principal, known: Person, password_hash: str) -> None:
    """Set it, unless the password was changed since the current one was checked."""
    async with issuer.transaction(actor.organization_id) as session:
        await organizations.organization_to_change(session)
        person = await people.person(session, actor.person_id)
        if person.password_hash != known.password_hash:
            raise _wrong_password()
        person.password_hash = password_hash
        await people_commands.end_sessions(session, person)
        await audit.record(session, actor, "person.password_changed", ("person", person.id))


def _wrong_password() -> Unprocessable:
    return Unprocessable.field("/current_password", "This is not the current password.")
