"""Refusals as RFC 9457 problem details. It turns exceptions into answers; it raises none of its own."""

import sqlite3
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct

from tandem.accounts.model.fields import BadField, Taken
from tandem.cluster.control import NoNode, Problem

PROBLEM_TYPE = "application/problem+json"
RETRY_SECONDS = 1
log = structlog.get_logger()


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused. `field` names the field or parameter at fault; `detail` says the rule or the limit."""

    title: str
    status: int
    detail: str = ""
    field: str = ""
    type: str = "about:blank"


def _spec(status: int, title: str, detail: str, field: str = "") -> ResponseSpec:
    example = Example(
        value={
            "title": title,
            "status": status,
            "detail": detail,
            **({"field": field} if field else {}),
        }
    )
    return ResponseSpec(
        ProblemDetails, generate_examples=False, description=HTTPStatus(status).phrase,
        media_type=PROBLEM_TYPE, examples=[example],
    )  # fmt: skip


BAD = {400: _spec(400, "not acceptable", "at least 12 characters", "password")}
CLOSED = {
    401: _spec(401, "not logged in", "send Authorization: Bearer and a token from /api/login"),
    403: _spec(403, "not allowed", "role user may not do users.list"),
}
GONE = {404: _spec(404, "no such user", "alice", "name")}
TAKEN = {409: _spec(409, "taken", "+4930123456 is another user's", "number")}
SLOW = {429: _spec(429, "too many tries", "try again in 42 s")}
AWAY = {503: _spec(503, "call node is not reachable", "calls go on; ask again in a moment")}


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    """What the app says instead of an exception."""
    problem, headers = details(error), {}
    if problem.status >= 500 and not isinstance(error, NoNode | Problem):
        log.error("request failed", exc_info=error, path=request.url.path)
    match problem.status:
        case 401:
            headers["WWW-Authenticate"] = 'Bearer realm="tandem"'
        case 429 if isinstance(error, TooMany):
            headers["Retry-After"] = str(error.seconds)
        case 503:
            headers["Retry-After"] = str(RETRY_SECONDS)
        case 405 if isinstance(error, HTTPException) and error.headers:
            headers |= error.headers
    headers["Cache-Control"] = "no-store"
    return Response(problem, status_code=problem.status, media_type=PROBLEM_TYPE, headers=headers)


class TooMany(Problem):
    """Tries beyond a limit; `seconds` until the next one may succeed."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "too many tries", f"try again in {seconds} s")
        self.seconds = seconds


def details(error: Exception) -> ProblemDetails:
    match error:
        case Problem():
            return ProblemDetails(error.title, error.status, error.detail, error.field)
        case NoNode():
            return ProblemDetails(
                "call node is not reachable", 503, "calls go on; ask again in a moment"
            )
        case Taken():
            return ProblemDetails("taken", 409, error.reason, error.field)
        case BadField():
            return ProblemDetails("not acceptable", 400, error.reason, error.field)
        case ValidationException():
            return _invalid(error)
        case HTTPException():
            return ProblemDetails(
                HTTPStatus(error.status_code).phrase.lower(), error.status_code, _safe(error)
            )
        case sqlite3.OperationalError():
            return ProblemDetails("the database is busy", 503, "nothing was changed")
    return ProblemDetails("something went wrong here", 500, "see log/web.log")


def _invalid(error: ValidationException) -> ProblemDetails:
    """The first of litestar's complaints, with the field's name."""
    extra: Any = error.extra
    first = extra[0] if isinstance(extra, list) and extra and isinstance(extra[0], dict) else {}
    message, key = str(first.get("message", error.detail)), str(first.get("key", ""))
    if "unknown field `" in message:
        key = message.split("`")[1]
    return ProblemDetails("not acceptable", 400, message, "" if key == "data" else key)


def _safe(error: HTTPException) -> str:
    return "" if error.status_code >= 500 else error.detail
