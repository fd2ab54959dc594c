"""coturn's program on this machine. It does not start it."""

import shutil

PATH = "/usr/bin:/usr/local/bin:/usr/sbin:/usr/local/sbin"
MISSING = (
    "coturn is not installed, which TURN needs: `apt-get install --no-install-recommends coturn`, "
    "then `systemctl disable --now coturn`, so that the port is free"
)


def program() -> str | None:
    """Its path."""
    return shutil.which("turnserver") or shutil.which("turnserver", path=PATH)
