"""Where TURN is and what its credentials are made of, by configuration, keys and this machine's addresses. It starts nothing."""

from tandem.cluster.keys import read_keys
from tandem.cluster.sockets import default_address
from tandem.config import Config
from tandem.relay.model import WILDCARDS, Interface, interfaces
from tandem.turn.model import Turn, secret_of, urls


def places(config: Config) -> list[Interface]:
    """The media relay's addresses: TURN has the same."""
    routes = {host: default_address(ipv6=host == "::") for host in WILDCARDS}
    hosts = [at.host for at in config.listens]
    return interfaces(config.relay, hosts, config.sip.advertised, routes)


def turn_of(config: Config) -> Turn:
    """Without URLs where TURN is off. Raises BadConfig."""
    if not config.turn.enabled:
        return Turn()
    secret = secret_of(read_keys(config.keys)["hash"])
    return Turn(urls(config.turn, places(config)), secret, config.turn.credential_seconds)
