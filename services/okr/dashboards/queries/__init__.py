"""What dashboards read: one statement each, whose counts are counters and not scans."""

from services.okr.dashboards.queries.answering import dashboard

__all__ = ["dashboard"]
