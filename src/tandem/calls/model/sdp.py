"""The few lines of SDP (RFC 8866) that call logic reads or writes; all others stay as they are."""

BLACK_HOLE = (
    "v=0\r\no=- {n} {n} IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=inactive\r\n"
)
DIRECTIONS = (b"a=sendrecv", b"a=sendonly", b"a=recvonly", b"a=inactive")


def lines(body: bytes) -> list[bytes]:
    return body.replace(b"\r\n", b"\n").split(b"\n")


def direction(body: bytes) -> str:
    """sendrecv, sendonly, recvonly or inactive: of the first audio stream, else of the session."""
    found, in_audio, seen_media = "sendrecv", False, False
    for line in lines(body):
        if line.startswith(b"m="):
            if in_audio:
                break
            in_audio, seen_media = line.startswith(b"m=audio"), True
        elif line in DIRECTIONS and (in_audio or not seen_media):
            found = line[2:].decode("ascii")
    return found


def is_held(body: bytes) -> bool:
    """Whether this description puts the other side on hold: sendonly, inactive, or the old c=0.0.0.0 (RFC 3264 8.4)."""
    if b"sendonly" not in body and b"inactive" not in body and b"0.0.0.0" not in body:
        return False
    if direction(body) in ("sendonly", "inactive"):
        return True
    return any(line.startswith(b"c=IN IP4 0.0.0.0") for line in lines(body))


def with_direction(body: bytes, wanted: str) -> bytes:
    """The same description with this direction on every stream."""
    kept = [line for line in lines(body) if line not in DIRECTIONS]
    while kept and not kept[-1]:
        kept.pop()
    out: list[bytes] = []
    for line in kept:
        if line.startswith(b"m=") and any(other.startswith(b"m=") for other in out):
            out.append(b"a=" + wanted.encode("ascii"))
        out.append(line)
    if any(line.startswith(b"m=") for line in out):
        out.append(b"a=" + wanted.encode("ascii"))
    return b"\r\n".join(out) + b"\r\n"


def with_address(body: bytes, host: str, port: int) -> bytes:
    """The same description with other c= and m= addresses: what a relay needs, and a black hole (0.0.0.0, 9)."""
    kind = b"IP6" if ":" in host else b"IP4"
    out = []
    for line in lines(body):
        if line.startswith(b"c="):
            line = b"c=IN " + kind + b" " + host.encode("ascii")
        elif line.startswith(b"m=") and len(parts := line.split(b" ", 2)) == 3 and parts[1] != b"0":
            line = b" ".join([parts[0], str(port).encode("ascii"), parts[2]])
        elif line.startswith((b"a=candidate:", b"a=end-of-candidates", b"a=rtcp:")):
            continue
        out.append(line)
    return b"\r\n".join(out)


def black_hole(n: int) -> bytes:
    """An offer of audio that sends and hears nothing: to ring a phone before its far end is known (RFC 3725 flow IV)."""
    return BLACK_HOLE.format(n=n).encode("ascii")


def answer_from(offer: bytes, other: bytes, setup: str = "active") -> bytes:
    """An answer to `offer` made of another party's own offer: its address, and of its formats those that both have.

    So two parties that both offered can be connected without asking either again (a ringing call is picked up). b""
    when they have no stream in common. `setup`: who begins DTLS (RFC 4145 4), where the offers leave it open.
    """
    head, theirs = sections(other)
    _, wanted = sections(offer)
    out, useful = list(head), False
    for section in wanted:
        kind = section[0].split(b" ")
        match = (
            next((s for s in theirs if s[0].split(b" ")[0::2] == kind[0::2]), None)
            if len(kind) > 3
            else None
        )
        kept = common(section, match) if match is not None else []
        if match is None or not kept:
            out.append(b" ".join([kind[0], b"0", *kind[2:]]))
            continue
        theirs.remove(match)
        useful = True
        media = match[0].split(b" ")
        out.append(b" ".join([*media[:3], *kept]))
        for line in match[1:]:
            name, _, rest = line.partition(b":")
            if name in (b"a=rtpmap", b"a=fmtp", b"a=rtcp-fb") and rest.split(b" ")[0] not in (
                *kept,
                b"*",
            ):
                continue
            out.append(b"a=setup:" + setup.encode("ascii") if line == b"a=setup:actpass" else line)
    return b"\r\n".join(out) + b"\r\n" if useful else b""


def sections(body: bytes) -> tuple[list[bytes], list[list[bytes]]]:
    """The session's lines, and those of each stream."""
    head: list[bytes] = []
    streams: list[list[bytes]] = []
    for line in lines(body):
        if line.startswith(b"m="):
            streams.append([line])
        elif line:
            (streams[-1] if streams else head).append(line)
    return head, streams


def common(offered: list[bytes], own: list[bytes]) -> list[bytes]:
    """The formats of `own` that `offered` has too, by codec name where there is one."""
    theirs = payloads(b"\r\n".join(offered).replace(b"m=video", b"m=audio"))
    mine = payloads(b"\r\n".join(own).replace(b"m=video", b"m=audio"))
    if not theirs or not mine:  # no RTP: the same formats by name
        return [f for f in own[0].split(b" ")[3:] if f in offered[0].split(b" ")[3:]]
    names = {name.lower() or pt for pt, name in theirs.items()}
    kept = [pt.encode("ascii") for pt, name in mine.items() if (name.lower() or pt) in names]
    speech = [
        pt for pt in kept if b"telephone-event" not in mine[pt.decode("ascii")].encode("ascii")
    ]
    return kept if speech else []


def payloads(body: bytes) -> dict[str, str]:
    """Codec names of the first audio stream by payload type, static ones included."""
    known = {
        "0": "PCMU/8000",
        "3": "GSM/8000",
        "8": "PCMA/8000",
        "9": "G722/8000",
        "18": "G729/8000",
    }
    found: dict[str, str] = {}
    in_audio = False
    for line in lines(body):
        if line.startswith(b"m="):
            if in_audio:
                break
            in_audio = line.startswith(b"m=audio")
            if in_audio:
                found = {pt: known.get(pt, "") for pt in line.decode("latin-1").split()[3:]}
        elif in_audio and line.startswith(b"a=rtpmap:"):
            pt, _, name = line[9:].decode("latin-1").partition(" ")
            if pt in found:
                found[pt] = name.strip()
    return found
