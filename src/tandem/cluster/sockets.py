"""The listening sockets: opened once, passed to children by number, taken back from a live child. No protocol is spoken here.

UDP and TCP sockets stay open while the process behind them is replaced: datagrams and connection requests wait in the kernel.
"""

import ctypes
import errno
import os
import socket
import stat
from pathlib import Path

from tandem.config import BadConfig, Listen

BACKLOG = 4_096  # connection requests that wait while the edge is replaced
UDP_BUFFER_BYTES = (
    8 * 1024 * 1024
)  # datagrams that wait meanwhile; the kernel may grant less (net.core.rmem_max)
HINTS = {
    errno.EADDRINUSE: " (another program, or another Tandem, has this port: stop it or change the field)",
    errno.EADDRNOTAVAIL: " (this machine has no such address)",
    errno.EACCES: " (ports below 1024 are for root)",
}
SYS_PIDFD_GETFD = 438  # the same number on every architecture


def open_listen(listen: Listen, field: str, *, shared: bool = False) -> socket.socket:
    """A bound (and for streams listening) socket; raises BadConfig that names the field and the cause."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if listen.transport == "udp" else socket.SOCK_STREAM
    opened = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((listen.host, listen.port))
        if kind == socket.SOCK_STREAM:
            opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        hint = HINTS.get(error.errno or 0, "")
        raise BadConfig(f"{field}: {listen}: {error.strerror}{hint}") from error
    return opened


def open_shared(listen: Listen, field: str, *, first: bool) -> socket.socket:
    """One of several sockets on one address (SO_REUSEPORT). The first of them refuses an address that another program has."""
    if first and listen.port:
        open_listen(listen, field).close()
    return open_listen(listen, field, shared=True)


def open_unix(path: Path) -> socket.socket:
    """A listening Unix socket of mode 0600; one that a dead process left behind is replaced."""
    path.unlink(missing_ok=True)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        opened.bind(str(path))
    except OSError as error:
        opened.close()
        raise BadConfig(
            f"node.data: {path}: {error} (a socket's path has at most 107 bytes)"
        ) from error
    finally:
        os.umask(mask)
    opened.listen(BACKLOG)
    opened.setblocking(False)
    return opened


def bound(opened: socket.socket, listen: Listen) -> Listen:
    """The address that it really has: port 0 has become a number."""
    return Listen(listen.transport, listen.host, opened.getsockname()[1])


def advertised_host(listen: Listen, wished: str) -> str:
    """The host that peers are told: as configured, else the bound address, else that of the default route."""
    if wished:
        return wished
    if listen.host not in ("0.0.0.0", "::"):
        return listen.host
    return default_address(ipv6=listen.host == "::")


def default_address(*, ipv6: bool = False) -> str:
    """The address of this machine on its default route; loopback without one. Nothing is sent."""
    family, probe = (socket.AF_INET6, "2001:db8::1") if ipv6 else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as prober:
        try:
            prober.connect((probe, 9))
            return str(prober.getsockname()[0])
        except OSError:
            return "::1" if ipv6 else "127.0.0.1"


def take_back(pid: int, fd: int, expected: Listen | Path) -> socket.socket | None:
    """A live process's socket, shared with us; None if that number is not the socket that we expect.

    pidfd_getfd(2) needs the right to trace the process: root, or the same user while kernel.yama.ptrace_scope is 0.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        taken = libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    if taken < 0:
        return None
    if not stat.S_ISSOCK(os.fstat(taken).st_mode):
        os.close(taken)
        return None
    shared = socket.socket(fileno=taken)
    if not _is(shared, expected):
        shared.close()
        return None
    return shared


def _is(opened: socket.socket, expected: Listen | Path) -> bool:
    if isinstance(expected, Path):
        return opened.family == socket.AF_UNIX and opened.getsockname() == str(expected)
    kind = socket.SOCK_DGRAM if expected.transport == "udp" else socket.SOCK_STREAM
    if opened.family not in (socket.AF_INET, socket.AF_INET6) or opened.type != kind:
        return False
    if kind == socket.SOCK_STREAM and not opened.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    ):
        return False
    host, port = opened.getsockname()[:2]
    return host == expected.host and expected.port in (0, port)
