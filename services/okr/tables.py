"""Every table of okr, for migrations and tests."""

from kernel.idempotency import IDEMPOTENCY_KEY
from kernel.jobs import JOB
from kernel.outbox import OUTBOX
from services.okr.alignment import models as alignment
from services.okr.base import Base
from services.okr.checkins import models as checkins
from services.okr.cycles import models as cycles
from services.okr.directory import models as directory
from services.okr.imports import models as imports
from services.okr.objectives import models as objectives

for table in (OUTBOX, JOB, IDEMPOTENCY_KEY):
    table.to_metadata(Base.metadata)

SLICES = (alignment, checkins, cycles, directory, imports, objectives)
metadata = Base.metadata
