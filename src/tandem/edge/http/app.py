"""Puts the edge's HTTP API together: routes, token, problems, OpenAPI; and serves it on an inherited socket."""

import asyncio
import contextlib
import hmac
import socket
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from tandem import __version__
from tandem.cluster.control import NoNode, Problem
from tandem.edge.config import EdgeConfig
from tandem.edge.http.routes import ROUTES
from tandem.edge.questions import Questions
from tandem.web import problems

BODY_BYTES = 4 * 1024 * 1024  # of a request: a pool with all its servers
REQUESTS_MOST = 100  # at a time; more get 503
KEEP_ALIVE_SECONDS = 30
STOP_SECONDS = 3
TOKEN_CHARACTERS_LEAST = 16
OPEN = frozenset(("healthz", "readyz", "metrics"))  # no token; there is no name of a person in them
DESCRIPTION = """\
A Tandem edge in front of other servers. Send `Authorization: Bearer <token>` with the token of the edge's token file.
What is changed here is in force at once and kept: it stands over edge.toml until it is forgotten (`DELETE /api/changes`).
Refusals are problem details (RFC 9457, `application/problem+json`); `field` names what is at fault and nothing was changed."""


def build(questions: Questions, token_file: Path) -> Litestar:
    """The application; it opens no socket."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        name = handler.name or ""
        if name in OPEN or name.endswith("litestar_openapi_json"):
            return
        if not name:
            raise Problem(404, "not found", connection.url.path[:256])
        _proven(connection.headers.get("authorization", ""), token_file)

    return Litestar(
        ROUTES,
        guards=[guard],
        dependencies={"questions": Provide(lambda: questions, sync_to_thread=False)},
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES,
        response_headers=[
            ResponseHeader(name="Cache-Control", value="no-store"),
            ResponseHeader(name="X-Content-Type-Options", value="nosniff"),
        ],
        openapi_config=OpenAPIConfig(
            title="Tandem edge",
            version=__version__,
            description=DESCRIPTION,
            path="/api",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"token": []}],
            operation_id_creator=lambda handler, method, parts: handler.name or handler.handler_id,
        ),
        logging_config=None,
        signature_types=[Questions],
    )


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[problems.ProblemDetails]:
    if isinstance(error, NoNode):
        error = Problem(503, "no worker answers", str(error))
    return problems.answer(request, error)


def _proven(header: str, token_file: Path) -> None:
    """Raises Problem 401. The file is read each time: a new token is in force at once."""
    kind, _, given = header.partition(" ")
    try:
        token = token_file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if len(token) < TOKEN_CHARACTERS_LEAST:
        why = f"the token file has no token of at least {TOKEN_CHARACTERS_LEAST} characters"
        raise Problem(401, "not logged in", why)
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise Problem(401, "not logged in", "send Authorization: Bearer and the token of the edge")


async def serve_http(config: EdgeConfig, questions: Questions, fd: int) -> None:
    """Until it is cancelled."""
    server = uvicorn.Server(
        uvicorn.Config(
            build(questions, config.http_token), log_config=None, access_log=False, server_header=False,
            proxy_headers=False, ws="none", lifespan="off", timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS, limit_concurrency=REQUESTS_MOST,
        )
    )  # fmt: skip
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve(sockets=[socket.socket(fileno=fd)])
