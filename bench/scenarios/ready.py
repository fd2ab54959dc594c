"""How long a phone gets no reply when the call node, or the edge, is killed: to the successor's first answer."""

import asyncio
import os
import socket
import time

from phones import message
from phones.phone import fresh

from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import LOAD_CORE, Budget
from scenarios.product import DOMAIN, PASSWORD, Tandem, Wanted, tandem

IDS = ("ready_ms", "edge_restart_ms")
KILLS = 5
GAP_SECONDS = 3.0  # between kills: five deaths in 10 s make the supervisor wait
PROBE_SECONDS = 0.005
GIVE_UP_SECONDS = 15.0
USERS = 1000  # that the node loads again
WANTED = Wanted(users=USERS, allow=("127.0.0.1/32",))


def measure(budget: Budget) -> list[Figure]:
    """Five kills each, in one Tandem."""
    del budget
    cores = os.sched_getaffinity(0)
    with tandem(WANTED) as product:
        os.sched_setaffinity(0, {LOAD_CORE})
        try:
            asyncio.run(first(product))
            node = [gap(product, "node", "REGISTER") for _ in range(KILLS)]
            edge = [gap(product, "edge", "OPTIONS") for _ in range(KILLS)]
        finally:
            os.sched_setaffinity(0, cores)
    print(f"  node {spread(node)} ms, edge {spread(edge)} ms", flush=True)
    return [
        Figure(
            "ready_ms",
            middle(node),
            f"kill -9 of the call node, to the first 200 to a REGISTER sent every {PROBE_SECONDS * 1000:g} ms as a new transaction"
            f" (valid credential; {USERS} users); median of {KILLS}, min/median/max {spread(node)}",
            None,
            tuple(node),
        ),
        Figure(
            "edge_restart_ms",
            middle(edge),
            f"kill -9 of the edge, to the first 200 to an OPTIONS sent after the kill, one every {PROBE_SECONDS * 1000:g} ms;"
            f" median of {KILLS}, min/median/max {spread(edge)}",
            None,
            tuple(edge),
        ),
    ]


async def first(product: Tandem) -> None:
    """Something to come back to: a few registrations."""
    from phones.phone import Phone

    for n in range(1, 20):
        phone = Phone(f"user{n}", DOMAIN, PASSWORD, "UDP", 5060)
        await phone.open()
        phone.close()


def gap(product: Tandem, victim: str, method: str) -> float:
    """Milliseconds."""
    time.sleep(GAP_SECONDS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.connect(("127.0.0.1", 5060))
        probe.settimeout(PROBE_SECONDS)
        challenge = ask(probe, method, [])
        credentials = challenge if method == "REGISTER" else []
        if not passed(probe, method, credentials, 2.0):
            raise Missing(f"{method} is not answered before the kill")
        killed = product.kill(victim)
        # what the dead process had answered is in the socket's queue
        drain(probe)
        if not passed(probe, method, credentials, GIVE_UP_SECONDS):
            raise Missing(f"no reply {GIVE_UP_SECONDS:g} s after kill -9 of the {victim}")
        return (time.time() - killed) * 1000


def ask(probe: socket.socket, method: str, challenges: list[str]) -> list[str]:
    """The challenges of the 401; [] if there was none."""
    for _ in range(200):
        probe.send(request(probe, method, challenges))
        try:
            got = message.read(probe.recv(65_536))
        except (TimeoutError, ConnectionRefusedError):
            continue
        if got and got.status == 401:
            return got.all("www-authenticate")
        if got and got.status == 200:
            return []
    raise Missing(f"no answer to {method}")


def passed(probe: socket.socket, method: str, challenges: list[str], seconds: float) -> bool:
    """Sends new transactions until one of them gets its 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            probe.send(request(probe, method, challenges))
            got = message.read(probe.recv(65_536))
            if got and got.status == 200:
                return True
            if got and got.status == 401:
                challenges = got.all("www-authenticate")
        except (TimeoutError, ConnectionRefusedError):
            continue
    return False


def drain(probe: socket.socket) -> None:
    probe.setblocking(False)
    try:
        while True:
            probe.recv(65_536)
    except (BlockingIOError, ConnectionRefusedError):
        probe.settimeout(PROBE_SECONDS)


_count = 0


def request(probe: socket.socket, method: str, challenges: list[str]) -> bytes:
    global _count
    _count += 1
    port = probe.getsockname()[1]
    target = f"sip:{DOMAIN}"
    headers = [
        ("Via", f"SIP/2.0/UDP 127.0.0.1:{port};rport;branch={fresh('z9hG4bK')}"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:user0@{DOMAIN}>;tag=p{_count}"),
        ("To", f"<sip:user0@{DOMAIN}>" if method == "REGISTER" else f"<{target}>"),
        ("Call-ID", f"probe-{port}"),
        ("CSeq", f"{_count} {method}"),
        ("Contact", f"<sip:user0@127.0.0.1:{port}>"),
        # as long as a phone's: no challenge is longer than its request
        ("User-Agent", "tandem-bench probe"),
        ("Supported", "path, outbound, replaces"),
        ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, UPDATE"),
    ]
    if challenges:
        credential = message.authorization(challenges, method, target, "user0", PASSWORD, _count)
        headers.append(("Authorization", credential))
    return message.write(f"{method} {target} SIP/2.0", headers)
