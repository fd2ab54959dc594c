"""RFC 4475's messages at the running Tandem, over UDP and TCP, from a stranger and from a trusted trunk: which get a wrong answer."""

import re
import socket
import time

from scenarios.figure import Figure, Missing
from scenarios.machine import HOME, Budget
from scenarios.product import Tandem, Wanted, tandem

IDS = ("torture_failed",)
GOLDEN = HOME / "tests" / "golden" / "torture"
ANSWER_SECONDS = 0.4
STRANGER, TRUSTED = "127.0.0.3", "127.0.0.2"
WANTED = Wanted(
    carrier=True, trunk=TRUSTED, listen=("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"), users=10
)

# 3.1.2: refused, or for a response dropped. What RFC 4475 lets an element be liberal with may also be served.
INVALID = {
    "badinv01": {400}, "clerr": {400}, "ncl": {400}, "scalar02": {400}, "quotbal": {400}, "ltgtruri": {400},
    "lwsruri": {400}, "lwsstart": {400}, "trws": {400}, "badaspec": {400}, "baddn": {400}, "badvers": {505, 400},
    "mismatch01": {400}, "mismatch02": {400, 501}, "insuf": {400}, "multi01": {400}, "mcl01": {400}, "regbadct": {400},
}  # fmt: skip
LIBERAL = {"escruri", "baddate", "trws", "baddn", "badaspec"}
RESPONSES = {"scalarlg", "bigcode", "unreason", "noreason", "bcast"}
CHALLENGE = {401, 407, 403}
# 3.3: the reply that the RFC names; a stranger may be challenged first, a trunk may not register, nobody here has these names
NAMED = {
    "unkscm": {416}, "novelsc": {416}, "unksm2": {400, 403, 404, 416}, "bext01": {420, 404}, "invut": {415, 404}, "regaut01": {401, 403},
    "zeromf": {483, 200, 404},
}  # fmt: skip
# RFC 3261 18.3: a stream's messages MUST have Content-Length; RFC 4475 3.4.1 sends this RFC 2543 one by UDP
NO_LENGTH = {"inv2543"}
NO_MORE = {"ncl", "clerr", "mcl01", "baddn", "insuf"}  # on a stream: an end that cannot be known


def measure(budget: Budget) -> list[Figure]:
    """Every file four ways, each followed by a question that shows that Tandem lives."""
    del budget
    files = sorted(GOLDEN.glob("*.dat"))
    if len(files) != 49:
        raise Missing(f"{len(files)} of RFC 4475's 49 messages in {GOLDEN}")
    wrong: list[str] = []
    # a message that comes again by another transport is the same transaction: a fresh Tandem for each way
    for source in (STRANGER, TRUSTED):
        for ask in (by_udp, by_tcp):
            with tandem(WANTED) as product:
                pids = [product.child(name) for name in ("edge", "node")]
                wrong += round_of(product, files, source, ask)
                if pids != [product.child(name) for name in ("edge", "node")]:
                    wrong.append("a process died")
                if any(edge.get("panics") for edge in product.ask("stats")["edges"].values()):
                    wrong.append("the edge panicked")
    for one in wrong:
        print(f"  {one}", flush=True)
    method = (
        "49 messages, each by UDP and by TCP, each from a stranger and from a trusted trunk (196 in all), byte-exact; wrong: a valid one"
        " refused as malformed or unanswered, an invalid one not refused (RFC 4475's liberal cases may be served), a response answered,"
        f" a status other than the one that section 3.3 names, a dead process{': ' + '; '.join(wrong) if wrong else ''}"
    )
    return [Figure(IDS[0], float(len(wrong)), method)]


def round_of(product: Tandem, files: list, source: str, ask) -> list[str]:  # type: ignore[no-untyped-def,type-arg]
    wrong = []
    for path in files:
        statuses, closed = ask(source, path.read_bytes())
        why = judge(
            path.stem, statuses, stream=ask is by_tcp, trusted=source == TRUSTED, closed=closed
        )
        if why:
            kind = "trunk" if source == TRUSTED else "stranger"
            wrong.append(f"{path.stem} {'tcp' if ask is by_tcp else 'udp'} {kind}: {why}")
    if not alive():
        raise Missing(f"Tandem does not answer any more: {product.last_lines()}")
    return wrong


def judge(name: str, statuses: list[int], *, stream: bool, trusted: bool, closed: bool) -> str:
    """Why the answer is wrong; "" when it is right."""
    got = ", ".join(map(str, statuses)) or ("closed" if closed else "silence")
    last = statuses[0] if name == "dblreq" and statuses else (statuses[-1] if statuses else 0)
    if name in RESPONSES:
        return f"a response was answered: {got}" if statuses else ""
    if name in INVALID:
        if last in INVALID[name] or (stream and (closed or (name in NO_MORE and not statuses))):
            return ""
        if name == "regbadct" and last in CHALLENGE:  # nobody is told more before he is known
            return ""
        if name in LIBERAL and last and last < 500:
            return ""
        return f"{got}, not {sorted(INVALID[name])}"
    if name in NO_LENGTH and stream and (last == 400 or closed):
        return ""
    if name in NAMED and (last in NAMED[name] or (not trusted and last in CHALLENGE)):
        return ""
    if name in NAMED:
        return f"{got}, not {sorted(NAMED[name])}"
    if not statuses:
        return f"{got}, though it is valid"
    if last == 400 and name not in LIBERAL:
        return "400, though it is valid"
    return f"{got}" if last >= 500 and last not in (501, 603) else ""


def by_udp(source: str, data: bytes) -> tuple[list[int], bool]:
    """From and to the port that the Via names: no rport, so that is where the answer goes."""
    found = re.search(
        rb"(?i)^(?:via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*\w+\s+([^;,\r\n]*)", data, re.MULTILINE
    )
    port = re.search(rb":\s*(\d+)\s*$", found[1]) if found else None
    listening = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    ports = {5060, int(port[1]) if port and 0 < int(port[1]) < 65_536 else 5060}
    heard: list[int] = []
    try:
        used = list(zip(listening, sorted(ports), strict=False))
        for one, at in used:
            one.bind((source, at))
        used[0][0].sendto(data, ("127.0.0.1", 5060))
        deadline = time.monotonic() + ANSWER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            for one, _ in used:
                one.settimeout(max(0.005, min(left, 0.02)))
                try:
                    heard += status_of(one.recv(65_536), twins(data))
                except TimeoutError:
                    continue
            if heard and heard[-1] >= 200:
                break
    finally:
        for one in listening:
            one.close()
    return heard, False


def by_tcp(source: str, data: bytes) -> tuple[list[int], bool]:
    with socket.create_connection(("127.0.0.1", 5060), 2.0, source_address=(source, 0)) as stream:
        stream.sendall(data)
        stream.settimeout(ANSWER_SECONDS)
        got, closed = b"", False
        try:
            while part := stream.recv(65_536):
                got += part
                if (found := status_of(got, set())) and found[-1] >= 200:
                    stream.settimeout(0.05)
            closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return status_of(got, set()), closed


def call_id(data: bytes) -> bytes:
    found = re.search(rb"(?i)^(?:call-id|i)\s*:\s*(\S+)", data, re.MULTILINE)
    return found[1] if found else b""


def transaction(data: bytes) -> tuple[bytes, bytes]:
    """Method and top Via: messages that share them are one transaction (RFC 3261 17.2.3), and RFC 4475 has some."""
    via = re.search(rb"(?i)^(?:via|v)\s*:\s*([^\r\n]*)", data, re.MULTILINE)
    return data.split(b" ", 1)[0], via[1] if via else b""


def twins(data: bytes) -> set[bytes]:
    """Call-IDs that an answer to this message may have; others are repetitions of older answers."""
    whole = [path.read_bytes() for path in GOLDEN.glob("*.dat")] + [data]
    return {call_id(other) for other in whole if transaction(other) == transaction(data)}


def status_of(data: bytes, of: set[bytes]) -> list[int]:
    """Of every response in it."""
    if any(of) and (theirs := call_id(data)) and theirs not in of:
        return []
    return [int(code) for code in re.findall(rb"^SIP/2\.0 (\d{3})", data, re.MULTILINE)]


def alive() -> bool:
    ask = (
        "OPTIONS sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.4:5060;branch=z9hG4bKalive;rport\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@bench.local>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\nUser-Agent: tandem-bench\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    statuses, _ = by_udp("127.0.0.4", ask.encode())
    return bool(statuses)
