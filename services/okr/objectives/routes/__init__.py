"""HTTP of the slice."""

from services.okr.objectives.routes import cycles, key_results, lifecycle, links, objectives

ROUTERS = [
    cycles.router,
    cycles.settings_router,
    objectives.router,
    lifecycle.router,
    key_results.router,
    links.router,
]
