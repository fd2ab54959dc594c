"""Calls between a plain phone and one with SRTP through a relay: RTP paced both ways, RTCP beside it, their silences measured.

python secure_calls.py KIND COUNT SECONDS WARM SEQUENCE: KIND is dtls (with ICE, as browsers) or sdes; SEQUENCE is the first one of all
streams. It says COUNTING after the warm-up, and one JSON line at the end.
"""

import base64
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pylibsrtp
from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

sys.path.insert(0, str(Path(__file__).parents[2]))

from scenarios.ng import ONLY_80, Ng, Side, described, good, read
from scenarios.relays import NG

A, B = "127.0.0.2", "127.0.0.3"
FIRST_PORT = 31_000
PACKET_SECONDS, PACKET_BYTES = 0.02, 160
SOUND = b"\xd5" * PACKET_BYTES
KEY_BYTES, SALT_BYTES, TAG_BYTES = 16, 14, 10
HANDSHAKE_SECONDS, RETRANSMIT_SECONDS = 10.0, 0.3
REPORT_SECONDS = 0.5
CONSENT_SECONDS = 1.0  # between checks; RFC 7675 5.1 asks for 4 to 6, and forgets after 30
DEAD_SECONDS, QUIET_SECONDS = 1.0, 3.0  # without RTP; without a report or consent
DTLS, RTP = range(20, 64), range(128, 192)  # first byte of a datagram (RFC 7983)
REPORTS = range(200, 208)  # second byte of RTCP (RFC 5761 4)
AT_A, AT_B = 7_000, 8_000  # SSRC of call 0's streams

Address = tuple[str, int]


class Way:
    """RTP and reports of one way of one call, as its receiver has them."""

    def __init__(self) -> None:
        self.last = self.gap = self.report = 0.0
        self.refused = self.report_refused = False
        self.index = -1  # the last SRTCP index

    def came(self, now: float, *, good: bool, counting: bool) -> None:
        self.refused = not good
        if not good:
            return
        if counting and self.last:
            self.gap = max(self.gap, now - self.last)
        self.last = now

    def reported(self, now: float, index: int) -> None:
        self.report_refused = index <= self.index
        self.report, self.index = now, index


class Identity:
    """A certificate of its own, as a browser makes one."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.fingerprint = self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class Sdes:
    """The side of B with keys in its description."""

    def __init__(self, number: int) -> None:
        self.rtp, self.rtcp = _bound(B, number), _bound(B, number, 1)
        self.secure = False

    def set_up(self, ng: Ng, plain: str, names: dict[str, str]) -> Side:
        """The relay's description for A."""
        secure = {"transport_protocol": "RTP/SAVP", "SDES": ONLY_80, "DTLS": "off"}
        offered = read(good(ng.ask("offer", sdp=plain, ICE="remove", **names, **secure))["sdp"])
        self.relay = (offered.host, offered.port)
        self.relay_rtcp = (offered.host, offered.port + 1)
        key = base64.b64encode(os.urandom(KEY_BYTES + SALT_BYTES)).decode()
        host, port = self.rtp.getsockname()
        here = Side(host, port, key, offered.tag)
        words = {"ICE": "remove", "transport_protocol": "RTP/AVP", **names}
        answered = read(good(ng.ask("answer", sdp=described(here), **words))["sdp"])
        self.out, self.into = sessions(base64.b64decode(key), base64.b64decode(offered.key))
        self.secure = True
        return answered

    def begin(self) -> None:
        """It has its keys."""

    def again(self) -> None:
        """Nothing is lost that it needs."""

    def check(self) -> None:
        """It has no ICE."""

    def other(self, data: bytes, now: float) -> None:
        """Neither RTP nor RTCP."""

    def quiet(self, now: float) -> bool:
        return False


class Dtls:
    """The side of B as browsers have it: ICE, DTLS-SRTP, one port."""

    def __init__(self, number: int, identity: "Identity") -> None:
        self.number, self.identity = number, identity
        self.rtp = self.rtcp = _bound(B, number)
        self.consent, self.secure = 0.0, False
        self.ufrag, self.password = f"bench{number}", base64.b64encode(os.urandom(18)).decode()
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(identity.certificate)
        context.use_privatekey(identity.key)
        context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
        self.tls = SSL.Connection(context)
        self.tls.set_connect_state()

    def set_up(self, ng: Ng, plain: str, names: dict[str, str]) -> Side:
        """The relay's description for A."""
        web: dict[str, Any] = {"ICE": "force", "transport_protocol": "UDP/TLS/RTP/SAVPF"}
        said = good(ng.ask("offer", sdp=plain, rtcp_mux=["offer"], **web, **names))["sdp"]
        offered = said.decode()
        self.relay = self.relay_rtcp = (read(said).host, read(said).port)
        self.their_ufrag = _value(offered, "a=ice-ufrag:")
        self.their_password = _value(offered, "a=ice-pwd:")
        words = {"ICE": "remove", "transport_protocol": "RTP/AVP", **names}
        return read(good(ng.ask("answer", sdp=self._described(), **words))["sdp"])

    def begin(self) -> None:
        self.check()
        self._shake()

    def again(self) -> None:
        """What was lost is said again."""
        self.check()
        self.tls.DTLSv1_handle_timeout()
        self._flush()

    def check(self) -> None:
        """Asks for consent, as the controlling agent that has chosen this pair (RFC 8445 7.2.4, RFC 7675)."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.their_ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = 1_853_824_767
        request.attributes["ICE-CONTROLLING"] = self.number
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self.their_password.encode())
        _send(self.rtp, bytes(request), self.relay)

    def other(self, data: bytes, now: float) -> None:
        """Neither RTP nor RTCP."""
        if data[0] in DTLS and not self.secure:
            self.tls.bio_write(data)
            self._shake()
        elif data[0] < DTLS.start:
            answer = stun.parse_message(data)
            known = answer.check_message_integrity(self.their_password.encode())
            if known and answer.message_class is stun.Class.RESPONSE:
                self.consent = now

    def quiet(self, now: float) -> bool:
        """Its consent has ended."""
        return self.consent + QUIET_SECONDS < now

    def _shake(self) -> None:
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            return self._flush()
        made = self.tls.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (KEY_BYTES + SALT_BYTES))
        keys, salts = made[: 2 * KEY_BYTES], made[2 * KEY_BYTES :]
        self.out, self.into = sessions(
            keys[:KEY_BYTES] + salts[:SALT_BYTES], keys[KEY_BYTES:] + salts[SALT_BYTES:]
        )
        self.secure = True
        self._flush()

    def _flush(self) -> None:
        try:
            while said := self.tls.bio_read(1_500):
                _send(self.rtp, said, self.relay)
        except SSL.WantReadError:
            return

    def _described(self) -> str:
        host, port = self.rtp.getsockname()
        plain = described(Side(host, port)).replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
        lines = (
            "a=rtcp-mux", f"a=ice-ufrag:{self.ufrag}", f"a=ice-pwd:{self.password}", "a=setup:active",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host", f"a=fingerprint:sha-256 {self.identity.fingerprint}", "",
        )  # fmt: skip
        return plain + "\r\n".join(lines)


class Call:
    """A plain phone A, and B."""

    def __init__(self, number: int, ng: Ng, b: Sdes | Dtls, sequence: int) -> None:
        self.b, self.sequence, self.reports = b, sequence, 0
        self.rtp, self.rtcp = _bound(A, number), _bound(A, number, 1)
        self.to_a, self.to_b = Way(), Way()
        self.ssrc_a, self.ssrc_b = AT_A + number, AT_B + number
        names = {"call_id": f"s{number}", "from_tag": f"f{number}", "to_tag": f"t{number}"}
        there = b.set_up(ng, described(Side(*self.rtp.getsockname())), names)
        self.relay, self.relay_rtcp = (there.host, there.port), (there.host, there.port + 1)

    def sockets(self) -> list[tuple[socket.socket, Callable[[float, bool], None]]]:
        of_b = {self.b.rtp, self.b.rtcp}
        return [
            *((by, self.hear_a) for by in (self.rtp, self.rtcp)),
            *((by, self.hear_b) for by in of_b),
        ]

    def speak(self) -> None:
        self.sequence += 1
        head = (0x80, 0, self.sequence & 0xFFFF, PACKET_BYTES * self.sequence & 0xFFFF_FFFF)
        _send(self.rtp, struct.pack("!BBHII", *head, self.ssrc_a) + SOUND, self.relay)
        packet = struct.pack("!BBHII", *head, self.ssrc_b) + SOUND
        _send(self.b.rtp, self.b.out.protect(packet), self.b.relay)

    def report(self) -> None:
        self.reports += 1
        _send(self.rtcp, self._report(self.ssrc_a), self.relay_rtcp)
        _send(self.b.rtcp, self.b.out.protect_rtcp(self._report(self.ssrc_b)), self.b.relay_rtcp)

    def _report(self, ssrc: int) -> bytes:
        """A sender's report and its name (RFC 3550 6.4.1, 6.5)."""
        now = time.time() + 2_208_988_800
        times = (int(now), int(now % 1 * 2**32), PACKET_BYTES * self.sequence & 0xFFFF_FFFF)
        sent = (self.sequence & 0xFFFF_FFFF, PACKET_BYTES * self.sequence & 0xFFFF_FFFF)
        name = struct.pack("!BBHIBB", 0x81, 202, 3, ssrc, 1, 4) + b"bench\0"[:4] + b"\0\0"
        return struct.pack("!BBHIIIIII", 0x80, 200, 6, ssrc, *times, *sent) + name

    def hear_a(self, now: float, counting: bool) -> None:
        for by in (self.rtp, self.rtcp):
            for data in _all(by):
                if data[1] in REPORTS:
                    if self.ssrc_b.to_bytes(4, "big") == data[4:8]:
                        self.to_a.reported(now, self.to_a.index + 1)
                elif data[0] in RTP:
                    self.to_a.came(now, good=data[12:] == SOUND, counting=counting)

    def hear_b(self, now: float, counting: bool) -> None:
        for by in {self.b.rtp, self.b.rtcp}:
            for data in _all(by):
                if data[0] not in RTP:
                    self.b.other(data, now)
                elif self.b.secure and data[1] in REPORTS:
                    self._report_at_b(data, now)
                elif self.b.secure:
                    good = _clear(self.b.into.unprotect, data)[12:] == SOUND
                    self.to_b.came(now, good=good, counting=counting)

    def _report_at_b(self, data: bytes, now: float) -> None:
        clear = _clear(self.b.into.unprotect_rtcp, data)
        if not clear:
            self.to_b.report_refused = True
        elif self.ssrc_a.to_bytes(4, "big") == clear[4:8]:
            word = int.from_bytes(data[-TAG_BYTES - 4 : -TAG_BYTES], "big")
            self.to_b.reported(now, word & 0x7FFF_FFFF)


def sessions(ours: bytes, theirs: bytes) -> tuple[pylibsrtp.Session, pylibsrtp.Session]:
    """To protect what we send, and to read what comes: key and salt each."""
    policy, profile = pylibsrtp.Policy, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80
    made = [
        pylibsrtp.Session(policy(key=key, ssrc_type=kind, srtp_profile=profile))
        for key, kind in ((ours, policy.SSRC_ANY_OUTBOUND), (theirs, policy.SSRC_ANY_INBOUND))
    ]
    return made[0], made[1]


def _clear(read_it: Callable[[bytes], bytes], data: bytes) -> bytes:
    """Empty: it does not authenticate, or its index was used before."""
    try:
        return read_it(data)
    except pylibsrtp.Error:
        return b""


def _bound(host: str, number: int, more: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, FIRST_PORT + 2 * number + more))
    made.setblocking(False)
    return made


def _send(by: socket.socket, data: bytes, to: Address) -> None:
    try:
        by.sendto(data, to)
    except OSError:
        return  # nobody listens there just now


def _all(by: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(by.recv(2_048))
    except BlockingIOError:
        return [data for data in found if len(data) > 12]
    except OSError:
        return []  # the relay is dead just now


def _value(sdp: str, start: str) -> str:
    return next(line[len(start) :] for line in sdp.splitlines() if line.startswith(start))


def keyed(calls: list[Call], selector: selectors.BaseSelector) -> None:
    """Until all have keys."""
    deadline, again = time.monotonic() + HANDSHAKE_SECONDS, 0.0
    for call in calls:
        call.b.begin()
    while waiting := [call for call in calls if not call.b.secure]:
        now = time.monotonic()
        if now > deadline:
            raise SystemExit(f"{len(waiting)} calls have no keys")
        if now > again + RETRANSMIT_SECONDS:
            again = now
            for call in waiting:
                call.b.again()
        for key, _ in selector.select(0.05):
            key.data(now, False)


class Pace:
    """Something that each call does at an interval, one call after the other."""

    def __init__(self, seconds: float, do: Callable[[Call], None]) -> None:
        self.seconds, self.do, self.done = seconds, do, 0

    def due(self, calls: list[Call]) -> float:
        """Of the next one, in seconds since the start."""
        return self.done * self.seconds / len(calls)

    def keep(self, calls: list[Call], passed: float) -> None:
        while self.due(calls) <= passed:
            self.do(calls[self.done % len(calls)])
            self.done += 1


def talked(
    calls: list[Call], selector: selectors.BaseSelector, warm: float, seconds: float
) -> float:
    """All that is sent, at its pace; when it ended."""
    packets = Pace(PACKET_SECONDS, Call.speak)
    others = (Pace(REPORT_SECONDS, Call.report), Pace(CONSENT_SECONDS, lambda call: call.b.check()))
    began, counting = time.monotonic(), False
    while (now := time.monotonic()) < began + warm + seconds:
        if not counting and now > began + warm:
            counting = True
            print("COUNTING", flush=True)
        for pace in (packets, *others):
            pace.keep(calls, now - began)
        due = began + packets.due(calls)
        for key, _ in selector.select(max(0.0, due - time.monotonic())):
            key.data(time.monotonic(), counting)
    return time.monotonic()


def main() -> None:
    kind, count, seconds, warm, sequence = sys.argv[1], *map(float, sys.argv[2:6])
    ng, selector = Ng(NG), selectors.DefaultSelector()
    identity = Identity()
    calls = []
    for number in range(int(count)):
        b = Dtls(number, identity) if kind == "dtls" else Sdes(number)
        calls.append(Call(number, ng, b, int(sequence)))
    ng.close()
    for call in calls:
        for by, hear in call.sockets():
            selector.register(by, selectors.EVENT_READ, hear)
    keyed(calls, selector)
    ended = talked(calls, selector, warm, seconds)
    ways = [way for call in calls for way in (call.to_a, call.to_b)]
    said = {
        "gaps_ms": [round(1e3 * way.gap, 1) for way in ways],
        "dead": sum(way.refused or way.last + DEAD_SECONDS < ended for way in ways),
        "reports_dead": sum(
            way.report_refused or way.report + QUIET_SECONDS < ended for way in ways
        ),
        "consent_dead": sum(call.b.quiet(ended) for call in calls),
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
