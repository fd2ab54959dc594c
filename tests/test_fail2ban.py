"""The shipped jails in a real fail2ban, with what a real edge writes: in a network namespace, where the kernel drops what they ban."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.netns import Apart, missing
from tandem.testing.pair import offer_md5

SHIPPED = Path(__file__).parent.parent / "deploy" / "fail2ban"
SYSTEM = Path("/etc/fail2ban")
HERE = ("fail2ban-server", "nft", "sipp")
PATIENCE = 20.0
GUESSES = 25  # the jail takes 20
GUESS_RATE = "4"  # a second: the edge writes 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(shutil.which(each) for each in HERE) or not SYSTEM.is_dir(),
        reason=f"needs {', '.join(HERE)}",
    ),
]


@pytest.fixture
def apart() -> Iterator[Apart]:
    if why := missing():
        pytest.skip(why)
    with Apart() as found:
        yield found


@pytest.fixture
def machine(apart: Apart, tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "tandem").mkdir()
    listen = ", ".join(f'"{transport}:{apart.host}:5060"' for transport in ("udp", "tcp"))
    settings = {
        "sip": {"listen": f"[{listen}]", "default_domain": '"one.test"'},
        "limits": {"ban_seconds": "1"},  # what holds longer is fail2ban's
    }
    with Machine(tmp_path / "tandem", settings, before=apart.words) as found:
        found.up()
        offer_md5(found)
        yield found


@pytest.fixture
def jails(machine: Machine, apart: Apart, tmp_path: Path) -> Iterator[Path]:
    """fail2ban's socket. Its clock is another zone's: the log's is UTC."""
    log = machine.config.log_dir / "bans.log"
    log.touch()
    etc = tmp_path / "fail2ban"
    shutil.copytree(SYSTEM, etc, symlinks=True)
    shutil.rmtree(etc / "jail.d")
    shutil.copytree(SHIPPED, etc, dirs_exist_ok=True)
    (etc / "fail2ban.local").write_text("[Definition]\ndbfile = None\n")
    (etc / "jail.local").write_text(f"[DEFAULT]\n[tandem]\nlogpath = {log}\n[tandem-auth]\nlogpath = {log}\n")  # fmt: skip
    shipped = etc / "jail.d" / "tandem.conf"
    shipped.write_text(shipped.read_text().replace("/var/lib/tandem/log/bans.log", str(log)))
    at = tmp_path / "fail2ban.sock"
    words = ["fail2ban-server", "-f", "-c", str(etc), "-s", str(at), "-p", str(tmp_path / "pid"), "--logtarget", str(tmp_path / "fail2ban.log")]  # fmt: skip
    zone = {**os.environ, "TZ": "Asia/Tokyo"}
    with (tmp_path / "fail2ban.out").open("wb") as out:
        server = subprocess.Popen([*apart.words, *words], env=zone, stdout=out, stderr=out)
    try:
        until(lambda: "tandem-auth" in asked(at, "status"), "the jails are there")
        yield at
    finally:
        server.terminate()
        server.wait()


def asked(at: Path, *words: str) -> str:
    done = subprocess.run(["fail2ban-client", "-s", str(at), *words], capture_output=True, text=True, check=False)  # fmt: skip
    return done.stdout


def until(true: Callable[[], object], why: str) -> None:
    last = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < last, f"never: {why}"
        time.sleep(0.1)


def options(of: str, to: str) -> bytes:
    """The edge's answer to this address over UDP; b"" if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(0.5)
        phone.bind((of, 0))
        text = (
            f"OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {of}:{phone.getsockname()[1]};branch=z9hG4bK{time.monotonic_ns()};rport\r\n"
            f"From: <sip:probe@{of}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: {time.monotonic_ns()}\r\nCSeq: 1 OPTIONS\r\n"
            f"Max-Forwards: 70\r\nX-Long: {'x' * 400}\r\nContent-Length: 0\r\n\r\n"
        )
        phone.sendto(text.encode(), (to, 5060))
        try:
            return phone.recv(4096)
        except TimeoutError:
            return b""


def reaches(of: str, to: str) -> bool:
    """Whether a TCP connection opens."""
    try:
        socket.create_connection((to, 5060), timeout=0.5, source_address=(of, 0)).close()
    except OSError:
        return False
    return True


def banned(at: Path, jail: str) -> list[str]:
    return asked(at, "get", jail, "banip").split()


@pytest.mark.skipif(not shutil.which("svwar"), reason="needs svwar (sipvicious)")
def test_a_real_scanner_is_cut_off_over_udp_and_tcp_and_nobody_else(
    machine: Machine, apart: Apart, jails: Path
) -> None:
    scanner, phone, _ = apart.outside  # it sends from the first, whatever it is told
    assert options(scanner, apart.host).startswith(b"SIP/2.0 200 ")
    # svwar is Debian's Python's: what we tell ours (PYTHONSAFEPATH) hides its own modules from it
    foreign = {name: it for name, it in os.environ.items() if not name.startswith("PYTHON")}
    scan = ["svwar", "-e", "1000-1010", "-m", "REGISTER", apart.host]
    done = subprocess.run(scan, env=foreign, capture_output=True, check=False, timeout=30)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    until(lambda: banned(jails, "tandem") == [scanner], "it is banned")
    time.sleep(1.5)  # the edge's own ban is over
    assert (b"", False) == (options(scanner, apart.host), reaches(scanner, apart.host))
    assert options(phone, apart.host).startswith(b"SIP/2.0 200 ")
    assert reaches(phone, apart.host)
    assert [] == banned(jails, "tandem-auth")
    asked(jails, "set", "tandem", "unbanip", scanner)
    until(lambda: options(scanner, apart.host), "it is heard again")


def test_who_tries_passwords_is_banned_and_who_proves_himself_is_not(
    machine: Machine, apart: Apart, jails: Path
) -> None:
    honest, guesser, _ = apart.outside
    alice = machine.users["alice"]

    def phone(host: str, password: str) -> sipp.Phone:
        return sipp.Phone(
            "alice", password, host=host, port=5060, edge=machine.address(), domain=alice.domain
        )

    phone(honest, alice.password).register()
    guesses = phone(guesser, "guess").start(
        sipp.registering(), "", 40, "-r", GUESS_RATE, times=GUESSES
    )
    until(lambda: banned(jails, "tandem-auth") == [guesser], "the guesser is banned")
    guesses.kill()
    guesses.wait()
    phone(honest, alice.password).register()
    assert (b"", False) == (options(guesser, apart.host), reaches(guesser, apart.host))
