"""`tandem dns`: where a SIP URI or a number leads, and why, as trunks would find it. It calls nobody."""

import json as json_text
import secrets
from typing import Annotated

from cyclopts import Parameter

from tandem import _core
from tandem.boundary import TCP, TLS, UDP
from tandem.cli.desk import Json, show_rows, terminal
from tandem.config import BadConfig, load

BETWEEN_DIGITS = " -./()"  # as people write numbers (RFC 3966 5.1.1)
VIA = {UDP: "udp", TCP: "tcp", TLS: "tls"}
COLUMNS = ("try", "transport", "address", "host")
Suffix = Annotated[str, Parameter(help="Below which a number is looked up (ENUM).")]
Server = Annotated[
    str, Parameter(help="Ask this name server instead of those of [dns]: address or address:port.")
]


def dns(
    what: str,
    number: str = "",
    *,
    enum: Suffix = "e164.arpa",
    server: Server = "",
    json: Json = False,
) -> int:
    """Show where a SIP URI leads (RFC 3263), or a number (ENUM): `tandem dns sip:alice@example.com`, `tandem dns enum +4930123456`.

    Every question with its answer and time of life, what was passed over and why, and the targets in the order of one
    draw. Exit status 1: it leads nowhere.

    Parameters
    ----------
    what: a sip or sips URI, a host name, or a number with +; or the word enum, with the number behind it.
    """
    if what == "enum" or number:
        if what != "enum" or not number:
            raise BadConfig("write `tandem dns enum NUMBER`, or one URI, host name or number")
        what = number
        if not what.startswith("+"):
            raise BadConfig(f"{what}: a number for ENUM begins with + and the country code")
    if what.startswith("+"):
        what = "".join(c for c in what if c not in BETWEEN_DIGITS)
    settings = load().dns.json
    if server:
        settings = json_text.dumps({**json_text.loads(settings), "servers": [server]}).encode()
    try:
        resolver = _core.Resolver(settings)
        columns: tuple[str, ...] = COLUMNS
        if what.startswith("+"):
            steps, uris, why = resolver.explain_enum(what, enum)
            found = [{"try": n + 1, "uri": uri} for n, uri in enumerate(uris)]
            life, columns = 0, ("try", "uri")
        else:
            uri = what if ":" in what else f"sip:{what}"
            steps, places, life, why = resolver.explain(uri, secrets.randbits(64))
            found = [
                {"try": n + 1, "transport": VIA.get(transport, ""), "address": hostport(address, port), "host": host}
                for n, (transport, address, port, host) in enumerate(places)
            ]  # fmt: skip
    except ValueError as error:
        terminal().print(f"tandem: {what}: {error}", markup=False)
        return 1
    if json:
        told = {"what": what, "steps": steps, "targets": found, "seconds": life, "error": why}
        print(json_text.dumps(told))
        return 1 if why else 0
    for n, step in enumerate(steps):
        terminal().print(f"{n + 1:2} {step}", markup=False)
    if why:
        terminal().print(f"nowhere: {why}", markup=False)
        return 1
    if steps:
        terminal().print()
    show_rows(found, columns, as_json=False)
    if 0 < life < 1 << 31:
        terminal().print(f"asked again in {life} s", markup=False)
    return 0


def hostport(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
