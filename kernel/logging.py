"""One JSON line an event, with the request's id; secrets cannot be printed."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie", "key", "credential")
_MASK = "[hidden]"
_FIELDS = "fields"


def _hidden(name: str, value: Any) -> Any:
    """The value of a field, masked where its name sounds like a secret, at any depth."""
    if any(word in name.lower() for word in _SECRET_WORDS):
        return _MASK
    if isinstance(value, dict):
        return {str(inner): _hidden(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list):
        return [_hidden(name, each) for each in value]
    return value


class JsonLines(logging.Formatter):
    """Writes a record of ours, or of a library, as one JSON object."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "service": self._service,
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        given: dict[str, Any] = getattr(record, _FIELDS, {})
        line |= {name: _hidden(name, value) for name, value in given.items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Logger:
    """A logger whose fields become fields of the JSON line."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **fields: Any) -> None:
        self._logger.info(event, extra={_FIELDS: fields})

    def warning(self, event: str, **fields: Any) -> None:
        self._logger.warning(event, extra={_FIELDS: fields})

    def error(self, event: str, **fields: Any) -> None:
        self._logger.error(event, extra={_FIELDS: fields})

    def exception(
        self, event: str, *, exc_info: BaseException | bool = True, **fields: Any
    ) -> None:
        """An error with its traceback, of the exception being handled unless one is given."""
        self._logger.error(event, exc_info=exc_info, extra={_FIELDS: fields})


def configure(service: str, level: str) -> None:
    """Send everything that is logged, by libraries too, through one handler on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # The gateway writes what is served; a line an internal request would be noise on the hot path.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def logger(name: str) -> Logger:
    """The logger of a module."""
    return Logger(name)
