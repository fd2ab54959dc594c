"""Becomes coturn: writes its configuration and hands the process over. The supervisor starts it where [turn] is enabled."""

import contextlib
import os
import pwd
import sys

from tandem.cluster.keys import read_keys
from tandem.cluster.sockets import open_listen
from tandem.config import BadConfig, Config, Listen, load
from tandem.turn.model import conf, secret_of
from tandem.turn.place import places
from tandem.turn.program import MISSING, program

NOT_CONFIGURED = 78  # EX_CONFIG of sysexits.h
USER = "turnserver"  # Debian's package makes it


def main() -> int:
    try:
        found = program()
        if found is None:
            raise BadConfig(MISSING)
        config = load()
        _ports_are_free(config)
        file = write(config)
    except (BadConfig, OSError) as error:
        print(f"tandem-turn: {error}", file=sys.stderr)
        return NOT_CONFIGURED
    os.execv(found, [found, "-c", file])


def write(config: Config) -> str:
    """The file, which holds the secret: for its owner only, and coturn reads it before it becomes somebody else."""
    certificate = (str(config.certificate), str(config.key)) if config.turn.tls_port else None
    for path in certificate or ():
        if not os.access(path, os.R_OK):
            raise BadConfig(f"turn.tls_port: there is no file {path} to read (sip.certificate)")
    text = conf(
        config.turn,
        places(config),
        realm=config.sip.default_domain,
        secret=secret_of(read_keys(config.keys)["hash"]),
        certificate=certificate,
        user=_user(),
    )
    file = config.run / "turn.conf"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    return str(file)


def _ports_are_free(config: Config) -> None:
    """coturn itself goes on without a port that another program has. Raises BadConfig."""
    section = config.turn
    ports = [("turn.port", section.port), ("turn.tls_port", section.tls_port)]
    for place in places(config):
        for field, port in ports:
            for transport in ("udp", "tcp") if field == "turn.port" else ("tcp",):
                if port:
                    open_listen(Listen(transport, place.address, port), field).close()


def _user() -> str:
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(USER).pw_name
    return ""


if __name__ == "__main__":
    sys.exit(main())
