"""The operations that change what somebody may do, whichever resource they are called on."""

from services.identity.assignments.routes import internal, people, roles, settings, units

ROUTERS = [roles.router, people.router, units.router, settings.router]
INTERNAL_ROUTERS = [internal.router]
