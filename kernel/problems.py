"""One handler for each way to fail; all of them answer RFC 9457 problem documents."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import sqlalchemy.exc
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from kernel import database, logging
from kernel.errors import (
    MEDIA_TYPE,
    BadRequest,
    FieldError,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
    Unprocessable,
)
from kernel.idempotency import Rehearsed
from kernel.wording import plain_words

METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")
MOST_ERRORS = 100


def answer_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return rendered(error)

    @app.exception_handler(Rehearsed)
    async def kept_answer(_: Request, repetition: Rehearsed) -> Response:
        return repetition.kept

    @app.exception_handler(RequestValidationError)
    async def wrong_fields(_: Request, error: RequestValidationError) -> Response:
        return rendered(_unprocessable(error.errors()))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return rendered(MethodNotAllowed(_allowed(request)))
        return rendered(_of_status(error), error.status_code)

    @app.exception_handler(sqlalchemy.exc.SQLAlchemyError)
    @app.exception_handler(sqlalchemy.exc.EmulatedDBAPIException)
    @app.exception_handler(asyncpg.PostgresError)
    @app.exception_handler(asyncpg.InterfaceError)
    @app.exception_handler(asyncpg.InternalClientError)
    @app.exception_handler(OSError)
    async def no_database(_: Request, error: Exception) -> Response:
        if not database.is_away(error):
            raise error
        logging.logger(__name__).error("the database is busy or away", kind=type(error).__name__)
        return rendered(Unavailable("The database is busy or away; try again in a second."))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        logging.logger(__name__).exception("unexpected", exc_info=error)
        return rendered(Problem("This is a fault of Cairn; its log has more under the request id."))


def rendered(error: Problem, status: int | None = None) -> JSONResponse:
    """The problem document of an error."""
    document = error.document(logging.request_id.get())
    if status is not None:
        document["status"] = status
    return JSONResponse(document, document["status"], error.headers, media_type=MEDIA_TYPE)


def _allowed(request: Request) -> list[str]:
    """The methods of a path: a route that knows the path alone names only its own."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def _of_status(error: HTTPException) -> Problem:
    kinds: dict[int, type[Problem]] = {404: NotFound, 413: TooLarge}
    if kind := kinds.get(error.status_code):
        return kind(headers=error.headers)
    fault = FieldError(f"The body cannot be read: {error.detail}", pointer="")
    return BadRequest(headers=error.headers, errors=(fault,))


def _unprocessable(errors: Sequence[dict[str, Any]]) -> Unprocessable:
    """The problem of wrong fields; a body may hold a hundred thousand that nobody would read."""
    is_too_long = len(errors) > MOST_ERRORS
    detail = f"Many fields are wrong; the first {MOST_ERRORS} are named below."
    named = tuple(map(_field_error, errors[:MOST_ERRORS]))
    return Unprocessable(detail if is_too_long else None, errors=named)


def _field_error(error: dict[str, Any]) -> FieldError:
    place, *path = error["loc"]
    detail = plain_words(error)
    if error["type"] == "json_invalid":
        return FieldError(f"The body is not valid JSON: {error['ctx']['error']}", pointer="")
    if place == "body" and not path:
        return FieldError(_of_the_body(error, detail), pointer="")
    if place == "body":
        escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
        return FieldError(detail, pointer="".join(f"/{part}" for part in escaped))
    return FieldError(detail, parameter=str(path[0]) if path else str(place))


def _of_the_body(error: dict[str, Any], detail: str) -> str:
    """What is wrong with a body as a whole; clients forget its media type more than anything."""
    if isinstance(error.get("input"), bytes):
        return "must be JSON: send it with `Content-Type: application/json`"
    return f"{detail}: send a JSON object"
