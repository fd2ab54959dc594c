"""The few lines of SDP (RFC 8866) that call logic reads or writes; all others stay as they are."""

BLACK_HOLE = (
    "v=0\r\no=- {n} {n} IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=inactive\r\n"
)
VERSION_DIGITS = 20  # of a number in o=: 64 bits
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


def later(body: bytes, by: int) -> bytes:
    """The same description with a version that is higher by so much (o=, RFC 3264 8); as it is, where that is no number."""
    if not by:
        return body
    start = body.find(b"o=") if not body.startswith(b"o=") else 0
    end = body.find(b"\n", start)
    words = body[start:end].split(b" ")
    if (
        start < 0
        or end < 0
        or len(words) < 3
        or not words[2].isdigit()
        or len(words[2]) > VERSION_DIGITS
    ):
        return body
    words[2] = str(int(words[2]) + by).encode("ascii")
    return body[:start] + b" ".join(words) + body[end:]


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
    asked, wanted = sections(offer)
    out = [line for line in head if line not in DIRECTIONS]
    useful = False
    for section in wanted:
        kind = section[0].split(b" ")
        match = next((s for s in theirs if like(s[0]) == like(section[0])), None)
        kept = common(section, match) if match is not None else []
        if match is None or not kept:
            out.append(b" ".join([kind[0], b"0", *kind[2:]]))
            continue
        theirs.remove(match)
        useful = True
        out.append(b" ".join([*match[0].split(b" ")[:3], *kept]))
        out += [dtls(line, setup) for line in match[1:] if belongs(line, kept)]
        out.append(both(flow(asked, section), flow(head, match)))
    return b"\r\n".join(out) + b"\r\n" if useful else b""


def like(media: bytes) -> tuple[bytes, ...]:
    """Kind and transport of a stream; none for a line that is no m= line."""
    parts = media.split(b" ")
    return (parts[0], parts[2]) if len(parts) > 3 else (media, b"", b"no stream")


def belongs(line: bytes, formats: list[bytes]) -> bool:
    """Whether a line of a stream stays when only these formats do. Directions are said anew."""
    name, _, rest = line.partition(b":")
    of_format = name in (b"a=rtpmap", b"a=fmtp", b"a=rtcp-fb")
    return line not in DIRECTIONS and (not of_format or rest.split(b" ")[0] in (*formats, b"*"))


def dtls(line: bytes, setup: str) -> bytes:
    return b"a=setup:" + setup.encode("ascii") if line == b"a=setup:actpass" else line


def flow(session: list[bytes], stream: list[bytes]) -> bytes:
    """The direction of a stream, of its own or of its session."""
    own = [line for line in stream if line in DIRECTIONS]
    return (own or [line for line in session if line in DIRECTIONS] or [b"a=sendrecv"])[-1]


def both(offered: bytes, own: bytes) -> bytes:
    """The direction of an answer by whom `own` belongs to: what he does and the other one takes (RFC 3264 6.1)."""
    sends = own in (b"a=sendrecv", b"a=sendonly") and offered in (b"a=sendrecv", b"a=recvonly")
    hears = own in (b"a=sendrecv", b"a=recvonly") and offered in (b"a=sendrecv", b"a=sendonly")
    return {
        (True, True): b"a=sendrecv",
        (True, False): b"a=sendonly",
        (False, True): b"a=recvonly",
    }.get((sends, hears), b"a=inactive")


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
