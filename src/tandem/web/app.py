"""Puts the HTTP API together: routes, guard, problems, OpenAPI. It opens no socket."""

from typing import Any

from litestar import Litestar, Request
from litestar.datastructures import ResponseHeader, State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from tandem import __version__
from tandem.adapters.sqlite import Database
from tandem.turn.model import Turn
from tandem.web.auth import Who, guard
from tandem.web.document import describe
from tandem.web.node import Node
from tandem.web.problems import answer
from tandem.web.routes import (
    calls,
    ice,
    logins,
    nodes,
    records,
    registrations,
    rules,
    tenants,
    trunks,
)
from tandem.web.tries import Tries

BODY_BYTES = 1024 * 1024  # of a request
HANDLERS: list[Any] = [
    *logins.ROUTES, *tenants.ROUTES, *trunks.ROUTES, *rules.ROUTES, *calls.ROUTES,
    *registrations.ROUTES, *records.ROUTES, *nodes.ROUTES, *ice.ROUTES,
]  # fmt: skip
NO_TURN = Turn()
DESCRIPTION = """\
Tables, live calls and records of Tandem. Send `Authorization: Bearer <token>` with a token of `POST /api/login` or an API token.
Lists come in pages of at most 1000 rows: `next` is the cursor of the next page, "" at the end. Unknown fields are refused.
Refusals are problem details (RFC 9457, `application/problem+json`); `field` names what is at fault.
Times are microseconds since 1970 in UTC."""


def build(database: Database, node: Node, turn: Turn = NO_TURN) -> Litestar:
    """The application; it closes neither the database nor the node."""
    tries = Tries()
    app = Litestar(
        HANDLERS,
        guards=[guard],
        dependencies={
            "who": Provide(_who, sync_to_thread=False),
            "database": Provide(lambda: database, sync_to_thread=False),
            "node": Provide(lambda: node, sync_to_thread=False),
            "turn": Provide(lambda: turn, sync_to_thread=False),
            "tries": Provide(lambda: tries, sync_to_thread=False),
        },
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES,
        response_headers=[
            ResponseHeader(name="Cache-Control", value="no-store"),
            ResponseHeader(name="X-Content-Type-Options", value="nosniff"),
        ],
        openapi_config=_openapi(),
        state=State({"database": database}),
        logging_config=None,
        signature_types=[Who, Database, Node, Tries, Turn],
    )
    describe(app.openapi_schema)
    return app


def _who(request: Request[Any, Any, Any]) -> Who:
    who: Who = request.state.who
    return who


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Tandem",
        version=__version__,
        description=DESCRIPTION,
        path="/api",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"token": []}],
        operation_id_creator=lambda handler, method, parts: handler.name or handler.handler_id,
    )
