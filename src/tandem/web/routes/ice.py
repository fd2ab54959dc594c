"""What a browser needs to reach our media from anywhere, over HTTP: servers for its RTCPeerConnection, with credentials that end."""

import time

from litestar import get
from litestar.di import NamedDependency

from tandem.turn.model import Turn
from tandem.web.bodies import IceServers
from tandem.web.common import READ, Asker

TAGS = ["browsers"]
OurTurn = NamedDependency[Turn]


@get(
    "/api/ice-servers",
    name="ice.servers",
    summary="TURN servers for a browser, with credentials",
    tags=TAGS,
    responses=READ,
)
async def ice_servers(who: Asker, turn: OurTurn) -> IceServers:
    """The credentials are good for new allocations until `expires_at`; one that is there lives on while it is refreshed."""
    if not turn.urls:
        return IceServers([], 0)
    now = int(time.time())
    return IceServers([turn.server(who.aor or who.name, now)], (now + turn.seconds) * 1_000_000)


ROUTES = [ice_servers]
