"""Questions of the command line to a standalone edge's admin process. No command."""

from typing import Annotated, Any

from cyclopts import Parameter

from tandem.cli.ask import ask
from tandem.edge.config import EdgeConfig, config_file, load

ConfigFile = Annotated[
    str,
    Parameter(
        name="--config",
        help="Its edge.toml; without it TANDEM_EDGE_CONFIG, ./edge.toml, /etc/tandem/edge.toml.",
    ),
]


def config_of(file: str) -> EdgeConfig:
    """Raises BadConfig."""
    return load(config_file(file))


def ask_edge(edge: EdgeConfig, do: str, **arguments: Any) -> Any:
    """Raises NoNode, Problem."""
    return ask(
        edge.admin_socket, do, who="the edge", hint="`tandem edge run` starts it", **arguments
    )
