"""Every table of feedback, for migrations and tests."""

from kernel.idempotency import IDEMPOTENCY_KEY
from kernel.jobs import JOB
from kernel.outbox import OUTBOX
from services.feedback.base import Base
from services.feedback.directory import models as directory
from services.feedback.requests import models as requests

for table in (OUTBOX, JOB, IDEMPOTENCY_KEY):
    table.to_metadata(Base.metadata)

SLICES = (directory, requests)
metadata = Base.metadata
