"""The operations that change what somebody may do, whichever resource they are called on."""

from services.identity.assignments.routes import internal, people, places, roles

ROUTERS = [roles.router, people.router, places.organizations, places.units]
INTERNAL_ROUTERS = [internal.router]
