"""The access log: one JSON line a request on stderr, written in batches to keep requests fast."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime

_FLUSH_SECONDS = 0.2


class AccessLog:
    """Collects lines and writes them a moment later; without queries, which may be private."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def record(self, method: str, path: str, status: int, started: float, request_id: str) -> None:
        """`started` is of `time.perf_counter`."""
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append(
            f'{{"service": "gateway", "event": "served", "method": {json.dumps(method)}, '
            f'"path": {json.dumps(path)}, "status": {status}, '
            f'"milliseconds": {(time.perf_counter() - started) * 1000:.1f}, '
            f'"request_id": "{request_id}", "level": "info", '
            f'"timestamp": "{datetime.now(UTC).isoformat()}"}}\n'
        )

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        sys.stderr.write("".join(lines))
        sys.stderr.flush()
