"""Every table of identity, for migrations and tests."""

from kernel.idempotency import IDEMPOTENCY_KEY
from kernel.jobs import JOB
from kernel.outbox import OUTBOX
from services.identity.audit import models as audit
from services.identity.base import Base
from services.identity.catalogue import models as catalogue
from services.identity.organizations import models as organizations
from services.identity.people import models as people
from services.identity.tokens import models as tokens
from services.identity.units import models as units

for table in (OUTBOX, JOB, IDEMPOTENCY_KEY):
    table.to_metadata(Base.metadata)

SLICES = (audit, catalogue, organizations, people, tokens, units)
metadata = Base.metadata
