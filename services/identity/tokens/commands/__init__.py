"""The changes of sessions and keys: signing in, refreshing, ending, and rotating."""

from services.identity.tokens.commands.keys import keep_signing_keys
from services.identity.tokens.commands.own_password import change_password
from services.identity.tokens.commands.sessions import (
    IssuedTokens,
    Issuer,
    RefreshTokenIsOver,
    SignInRefused,
    end_all_sessions,
    end_own_session,
    end_person_sessions,
    refresh,
    sign_in,
)
from services.identity.tokens.commands.throttling import TooManyFailures, forget_old_counters

__all__ = [
    "IssuedTokens",
    "Issuer",
    "RefreshTokenIsOver",
    "SignInRefused",
    "TooManyFailures",
    "change_password",
    "end_all_sessions",
    "end_own_session",
    "end_person_sessions",
    "forget_old_counters",
    "keep_signing_keys",
    "refresh",
    "sign_in",
]
