"""One JSON line an event, with the request's id; secrets cannot be printed."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie", "key", "credential")
_MASK = "[hidden]"


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the value of every field whose name sounds like a secret, at any depth."""
    return {name: _hidden(name, value) for name, value in event.items()}


def _hidden(name: str, value: Any) -> Any:
    if any(word in name.lower() for word in _SECRET_WORDS):
        return _MASK
    if isinstance(value, dict):
        return {str(inner): _hidden(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list):
        return [_hidden(name, each) for each in value]
    return value


def _add_request_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if (current := request_id.get()) is not None:
        event["request_id"] = current
    return event


def configure(service: str, level: str) -> None:
    """Send structlog and the standard library's loggers through one JSON renderer on stderr."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        lambda _, __, event: {"service": service, **event},
        hide_secrets,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # The gateway writes what is served; a line an internal request would be noise on the hot path.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose fields become fields of the JSON line."""
    return structlog.stdlib.get_logger(name)
