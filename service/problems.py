"""Errors as problem details (RFC 9457): every error of the service answers in one shape."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Response
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from model.errors import InputError, RouterError, StoreError, UnknownRoutingError
from service.schemas import FieldError, Problem

_log = logging.getLogger(__name__)


class RequestError(RouterError):
    """The request cannot be taken, whatever its fields say."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def install(app: Flask) -> None:
    """Answer every error of an application with problem details."""
    app.register_error_handler(ValidationError, lambda e: problem(HTTPStatus.UNPROCESSABLE_ENTITY, _fields(e)))
    app.register_error_handler(InputError, lambda e: problem(HTTPStatus.UNPROCESSABLE_ENTITY, [_field(e)]))
    app.register_error_handler(
        RequestError, lambda e: problem(e.status, [FieldError(field="body", message=str(e))], str(e))
    )
    app.register_error_handler(UnknownRoutingError, lambda e: problem(HTTPStatus.NOT_FOUND, [], str(e)))
    app.register_error_handler(StoreError, lambda e: problem(HTTPStatus.SERVICE_UNAVAILABLE, [], str(e)))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(status: HTTPStatus, errors: list[FieldError], detail: str = "") -> Response:
    """Return problem details as a response."""
    said = detail or "; ".join(f"{e.field}: {e.message}" for e in errors) or status.description
    body = Problem(title=status.phrase, status=status, detail=said, errors=errors)
    return json_response(body, status, "application/problem+json")


def json_response(body: BaseModel, status: int = 200, mimetype: str = "application/json") -> Response:
    """Return a value of the API as a response."""
    return Response(body.model_dump_json(), status=status, mimetype=mimetype)


def _field(error: InputError) -> FieldError:
    return FieldError(field=error.field, message=error.message)


def _fields(error: ValidationError) -> list[FieldError]:
    """Name the fields at fault, without repeating what they held: it may be a customer's words."""
    return [
        FieldError(
            field=".".join(map(str, e["loc"])) or "body",
            message=e["msg"].removeprefix("Value error, "),
        )
        for e in error.errors(include_input=False, include_url=False, include_context=False)
    ]


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return Response(error.get_body(), status=error.code or 500, headers=error.get_headers())
    response = problem(HTTPStatus(error.code), [], error.description or "")
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    _log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, [], "the service failed; the error is in its log")
