"""Other people's ICE and DTLS against ours: aioice, aiortc and OpenSSL talk to the example `ice_dtls`, and both ends must have the same keys."""

import asyncio
import hashlib
import queue
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo"),
]
HOME = Path(__file__).parents[2]
EXTRACTOR = "EXTRACTOR-dtls_srtp"  # RFC 5764 4.2
# SRTP profile as OpenSSL spells it: our suite, bytes of a key and of a salt
PROFILES = {
    "SRTP_AES128_CM_SHA1_80": ("AesCm128HmacSha1_80", 16, 14),
    "SRTP_AEAD_AES_128_GCM": ("AeadAes128Gcm", 16, 12),
    "SRTP_AEAD_AES_256_GCM": ("AeadAes256Gcm", 32, 12),
}
ROLES = {"active": "passive", "passive": "active"}


class Process:
    """A child whose lines are read as they come."""

    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.put(line.strip())

    def says(self, beginning: str, seconds: float = 20) -> str:
        """What follows the first line that begins so; earlier ones are kept in `seen`."""
        while True:
            try:
                line = self.lines.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"no {beginning!r} after {self.seen}") from None
            self.seen.append(line)
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()

    async def later(self, beginning: str, seconds: float = 20) -> str:
        return await asyncio.to_thread(self.says, beginning, seconds)

    def told(self, line: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")

    def close(self) -> None:
        self.child.kill()
        self.child.wait()


class Ours(Process):
    """The example, and what it says of itself at first."""

    def __init__(self, *words: str) -> None:
        super().__init__(str(HOME / "target" / "debug" / "examples" / "ice_dtls"), *words)
        self.port = int(self.says("address").rpartition(":")[2])
        self.ufrag, self.pwd = self.says("ufrag"), self.says("pwd")
        self.fingerprint = self.says("fingerprint")

    def keys(self) -> tuple[str, str, str]:
        """Suite, receiving and sending key with their salts."""
        _version, suite, receive, send = self.says("established").split()
        return suite, receive, send


@pytest.fixture(scope="module")
def built() -> None:
    subprocess.run(
        ("cargo", "build", "-q", "--locked", "-p", "tandem-rtp", "--example", "ice_dtls"),
        cwd=HOME,
        check=True,
    )


@pytest.fixture
def start(built: None) -> Iterator[Callable[..., Any]]:
    processes: list[Process] = []

    def started(kind: type[Process], *words: str) -> Process:
        processes.append(kind(*words))
        return processes[-1]

    yield started
    for process in processes:
        process.close()


def cut(material: bytes, profile: str, *, active: bool) -> tuple[str, str, str]:
    """The suite, and what our end must have to receive and to send, of exported bytes (RFC 5764 4.2)."""
    suite, key, salt = PROFILES[profile]
    client = material[:key] + material[2 * key : 2 * key + salt]
    server = material[key : 2 * key] + material[2 * key + salt : 2 * key + 2 * salt]
    receive, send = (server, client) if active else (client, server)
    return suite, receive.hex(), send.hex()


# --- aioice ---------------------------------------------------------------------------------------------------------


async def test_aioice_finds_the_lite_agent_and_keeps_its_pair_when_the_agent_dies(
    start: Callable[..., Any],
) -> None:
    aioice = pytest.importorskip("aioice")
    ours = start(Ours, "passive")
    full = aioice.Connection(ice_controlling=True)
    await full.gather_candidates()
    full.remote_username, full.remote_password = ours.ufrag, ours.pwd
    full.remote_is_lite = True
    await full.add_remote_candidate(candidate(aioice, ours.port))
    await full.add_remote_candidate(None)
    ours.told(f"remote {full.local_username} {full.local_password}")
    await full.connect()
    assert "component: Rtp" in await ours.later("Selected")
    await full.send(b"\x80media")
    assert (await ours.later("media")).startswith("6 from")

    ours.told("die")
    await ours.later("died")
    # RFC 7675: aioice asks about every 5 s, and closes after the sixth failure; two answers are enough to see.
    from webrtc_phone import consents

    failures = [not await consents(full) for _ in range(2)]
    assert [False, False] == failures
    await full.close()


async def test_aioice_with_a_wrong_password_is_refused(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    aioice = pytest.importorskip("aioice")
    monkeypatch.setattr(aioice.stun, "RETRY_MAX", 2)  # times; its own 6 take 32 s
    ours = start(Ours, "passive")
    full = aioice.Connection(ice_controlling=True)
    await full.gather_candidates()
    full.remote_username, full.remote_password = ours.ufrag, "another password that is long"
    full.remote_is_lite = True
    await full.add_remote_candidate(candidate(aioice, ours.port))
    await full.add_remote_candidate(None)
    ours.told(f"remote {full.local_username} {full.local_password}")
    with pytest.raises(ConnectionError):
        await full.connect()
    assert not any(line.startswith("Selected") for line in ours.seen)


async def test_aioice_that_is_controlled_is_checked_and_nominated_by_us(
    start: Callable[..., Any],
) -> None:
    """Two lite agents: the offerer checks. aioice plays the other one: it is controlled."""
    aioice = pytest.importorskip("aioice")
    ours = start(Ours, "passive", "controlling")
    other = aioice.Connection(ice_controlling=False)
    await other.gather_candidates()
    other.remote_username, other.remote_password = ours.ufrag, ours.pwd
    await other.add_remote_candidate(candidate(aioice, ours.port))
    await other.add_remote_candidate(None)
    ours.told(f"remote {other.local_username} {other.local_password}")
    for local in other.local_candidates:
        if ":" not in local.host:
            ours.told(f"candidate {local.host}:{local.port}")
    await other.connect()
    await ours.later("Selected")
    await other.send(b"\x80media")
    assert (await ours.later("media")).startswith("6 from")
    await other.close()


def candidate(aioice: Any, port: int) -> Any:
    return aioice.Candidate("1", 1, "udp", 2_130_706_431, "127.0.0.1", port, "host")


# --- aiortc ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("role", ROLES)
async def test_aiortc_and_we_have_the_same_keys(
    start: Callable[..., Any], role: str, profile: str
) -> None:
    aiortc = pytest.importorskip("aiortc")
    from aiortc import rtcdtlstransport

    ours = start(Ours, role)
    pc = aiortc.RTCPeerConnection()
    pc.addTransceiver("audio")
    offer = await pc.createOffer()
    await pc.setLocalDescription(offer)
    transport = pc.getTransceivers()[0].sender.transport
    transport._srtp_profiles = [
        p for p in rtcdtlstransport.SRTP_PROFILES if p.openssl_profile == profile.encode()
    ]
    if not transport._srtp_profiles:
        pytest.skip(f"this aiortc has no {profile}")
    theirs = attributes(pc.localDescription.sdp)
    ours.told(f"remote {theirs['ice-ufrag']} {theirs['ice-pwd']}")
    ours.told("expect " + theirs["fingerprint"].replace(":", ""))
    await pc.setRemoteDescription(aiortc.RTCSessionDescription(answer(ours, role), "answer"))
    suite, receive, send = await asyncio.to_thread(ours.keys)
    for _ in range(500):
        if transport.state != "connecting":
            break
        await asyncio.sleep(0.02)
    assert "connected" == transport.state
    _, key, salt = PROFILES[profile]
    material = transport._ssl.export_keying_material(EXTRACTOR.encode(), 2 * (key + salt))
    assert cut(material, profile, active=role == "active") == (suite, receive, send)

    await pc.close()
    await ours.later("Closed")


async def test_aiortc_with_another_certificate_gets_no_keys(start: Callable[..., Any]) -> None:
    aiortc = pytest.importorskip("aiortc")
    ours = start(Ours, "active")
    pc = aiortc.RTCPeerConnection()
    pc.addTransceiver("audio")
    await pc.setLocalDescription(await pc.createOffer())
    theirs = attributes(pc.localDescription.sdp)
    ours.told(f"remote {theirs['ice-ufrag']} {theirs['ice-pwd']}")
    ours.told("expect sha-256 " + "00" * 32)
    await pc.setRemoteDescription(aiortc.RTCSessionDescription(answer(ours, "active"), "answer"))
    assert "(Fingerprint)" == await ours.later("Failed")
    assert not any(line.startswith("established") for line in ours.seen)
    await pc.close()


def attributes(sdp: str) -> dict[str, str]:
    lines = [line[2:] for line in sdp.splitlines() if line.startswith("a=")]
    return {name: value for name, _, value in (line.partition(":") for line in reversed(lines))}


def answer(ours: Ours, role: str) -> str:
    pairs = ":".join(ours.fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    lines = (
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE 0",
        "a=msid-semantic:WMS *",
        f"m=audio {ours.port} UDP/TLS/RTP/SAVPF 0",
        "c=IN IP4 127.0.0.1",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:0 PCMU/8000",
        f"a=ice-ufrag:{ours.ufrag}",
        f"a=ice-pwd:{ours.pwd}",
        f"a=candidate:1 1 udp 2130706431 127.0.0.1 {ours.port} typ host",
        "a=end-of-candidates",
        f"a=fingerprint:sha-256 {pairs}",
        f"a=setup:{role}",
        "",
    )
    return "\r\n".join(lines)


# --- OpenSSL --------------------------------------------------------------------------------------------------------


def certificate(folder: Path, *key: str) -> tuple[Path, Path, str]:
    """Files of a certificate and its key, and its fingerprint."""
    pem, private = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ("openssl", "req", "-x509", "-newkey", *key, "-nodes", "-subj", "/CN=peer", "-days", "9",
         "-keyout", str(private), "-out", str(pem)),
        check=True, capture_output=True,
    )  # fmt: skip
    der = ssl.PEM_cert_to_DER_cert(pem.read_text())
    return pem, private, hashlib.sha256(der).hexdigest()


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
RSA = ("rsa:2048",)


def openssl(pem: Path, private: Path, profile: str, *, active: bool) -> tuple[str, ...]:
    """The words of an `openssl` that is the peer of ours, which is active or not; its address is to be added."""
    _, key, salt = PROFILES[profile]
    export = (EXTRACTOR, "-keymatexportlen", str(2 * (key + salt)))
    common = ("-dtls1_2", "-cert", str(pem), "-key", str(private), "-use_srtp", profile)
    side = ("s_server", "-Verify", "1", "-4") if active else ("s_client",)
    return ("openssl", *side, *common, "-keymatexport", *export)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("setup", ["plain", "ice"])
def test_openssl_as_client_and_we_have_the_same_keys(
    start: Callable[..., Any], tmp_path: Path, profile: str, setup: str
) -> None:
    pem, private, fingerprint = certificate(tmp_path, *EC)
    ours = start(Ours, "passive", setup)  # plain: with a cookie
    ours.told(f"expect sha-256 {fingerprint}")
    words = openssl(pem, private, profile, active=False)
    theirs = start(Process, *words, "-connect", f"127.0.0.1:{ours.port}")
    assert ours.keys() == cut(exported(theirs), profile, active=False)


@pytest.mark.parametrize("profile", PROFILES)
def test_openssl_as_server_and_we_have_the_same_keys(
    start: Callable[..., Any], tmp_path: Path, profile: str
) -> None:
    pem, private, fingerprint = certificate(tmp_path, *EC)
    ours = start(Ours, "active", "plain")
    ours.told(f"expect sha-256 {fingerprint}")
    theirs = start(Process, *openssl(pem, private, profile, active=True), "-accept", "127.0.0.1:0")
    ours.told("aim " + theirs.says("ACCEPT"))
    assert ours.keys() == cut(exported(theirs), profile, active=True)


def test_an_heir_answers_openssl_anew_with_the_same_certificate(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    profile = "SRTP_AEAD_AES_128_GCM"
    pem, private, fingerprint = certificate(tmp_path, *EC)
    ours = start(Ours, "passive", "plain")
    ours.told(f"expect sha-256 {fingerprint}")
    words = openssl(pem, private, profile, active=False)
    keys = []
    for _ in range(2):
        theirs = start(Process, *words, "-connect", f"127.0.0.1:{ours.port}", "-showcerts")
        keys.append(ours.keys())
        shown = ["-----BEGIN CERTIFICATE-----"]
        theirs.says(shown[0])
        while shown[-1] != "-----END CERTIFICATE-----":
            shown.append(theirs.says(""))
        der = ssl.PEM_cert_to_DER_cert("\n".join(shown) + "\n")
        assert ours.fingerprint == hashlib.sha256(der).hexdigest()
        assert keys[-1] == cut(exported(theirs), profile, active=False)
        ours.told("die")
        ours.says("died")
    assert keys[0] != keys[1]


def test_a_peer_with_an_rsa_certificate_is_refused_in_time(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """Not spoken here: ECDSA is what WebRTC requires (RFC 8827 6.5)."""
    pem, private, fingerprint = certificate(tmp_path, *RSA)
    ours = start(Ours, "passive", "plain")
    ours.told(f"expect sha-256 {fingerprint}")
    words = openssl(pem, private, "SRTP_AES128_CM_SHA1_80", active=False)
    start(Process, *words, "-connect", f"127.0.0.1:{ours.port}")
    ours.says("Failed", seconds=15)
    assert not any(line.startswith("established") for line in ours.seen)


def exported(theirs: Process) -> bytes:
    return bytes.fromhex(theirs.says("Keying material:"))
