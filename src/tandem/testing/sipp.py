"""SIPp as phones for tests with real processes: it registers, calls and answers over real sockets. No test.

SIPp 3.6 knows Digest with MD5 only: the machine under test must offer nothing else.
"""

import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from tandem.testing.ports import bound

HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="phone">\n'
REGISTER = """
<send retrans="500"><![CDATA[

REGISTER sip:[domain] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:[service]@[domain]>;tag=[call_number]
To: <sip:[service]@[domain]>
Call-ID: [call_id]
CSeq: CSEQ REGISTER
Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>;+sip.instance="<urn:uuid:[instance]>"
Max-Forwards: 70
Expires: 600
AUTHUser-Agent: a SIPp that says enough about itself for its challenge to be no longer than the question over UDP
Content-Length: 0

]]></send>
"""
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio 21290 RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
INVITE = """
<send retrans="500"><![CDATA[

INVITE sip:[number]@[domain] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:[service]@[domain]>;tag=[call_number]
To: <sip:[number]@[domain]>
Call-ID: [call_id]
CSeq: CSEQ INVITE
Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
AUTHUser-Agent: a SIPp that says enough about itself for its challenge to be no longer than the question over UDP
SDP
]]></send>
"""
ACK = """
<send><![CDATA[

ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:[service]@[domain]>;tag=[call_number]
To:[$TO]
Call-ID: [call_id]
CSeq: CSEQ ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"""
BYE = (
    ACK.replace("<send>", '<send retrans="500">')
    .replace("ACK [", "BYE [")
    .replace("CSEQ ACK", "9 BYE")
)
REFUSED_ACK = (
    ACK.replace("ACK [next_url]", "ACK sip:[number]@[domain]")
    .replace("[branch]", "[branch-CHALLENGE]")
    .replace("To:[$TO]", "[last_To:]")
)
LEARN = '<action><ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="TO"/></action>'
ANSWER = """
<send RETRANS><![CDATA[

SIP/2.0 STATUS
[last_Via:]
[last_From:]
[last_To:]TAG
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
CONTACTBODY
]]></send>
"""
AUTH = "[authentication username=[service] password=[password]]\n"


def registering() -> str:
    """REGISTER, 401, REGISTER with credentials, 200."""
    return (
        HEAD
        + REGISTER.replace("CSEQ", "1").replace("AUTH", "")
        + '<recv response="401" auth="true"/>'
        + REGISTER.replace("CSEQ", "2").replace("AUTH", AUTH)
        + '<recv response="200"/></scenario>'
    )


def calling(talk_seconds: float = 1.0, *, hangs_up: bool = True, final: int = 200) -> str:
    """INVITE with credentials; the answer, or another final response."""
    text = (
        HEAD
        + INVITE.replace("CSEQ", "1").replace("AUTH", "").replace("SDP", SDP)
        + '<recv response="100" optional="true"/><recv response="407" auth="true"/>'
        + REFUSED_ACK.replace("CSEQ", "1").replace("[branch-CHALLENGE]", "[branch-3]")
        + INVITE.replace("CSEQ", "2").replace("AUTH", AUTH).replace("SDP", SDP)
        + '<recv response="100" optional="true"/><recv response="180" optional="true"/><recv response="183" optional="true"/>'
    )
    if final != 200:
        refused = REFUSED_ACK.replace("CSEQ", "2").replace("[branch-CHALLENGE]", "[branch-5]")
        return text + f'<recv response="{final}"/>' + refused + "</scenario>"
    text += f'<recv response="200" rrs="true">{LEARN}</recv>' + ACK.replace("CSEQ", "2")
    if not hangs_up:
        return text + '<recv request="BYE" timeout="40000"/>' + answer("200 OK") + "</scenario>"
    return (
        text
        + f'<pause milliseconds="{talk_seconds * 1000:.0f}"/>'
        + BYE
        + '<recv response="200"/></scenario>'
    )


def calling_plainly(talk_seconds: float = 0.2, final: int = 200) -> str:
    """INVITE without credentials, its end, and requests in the dialog along the route set: for a proxy before servers."""
    text = (
        HEAD
        + INVITE.replace("CSEQ", "1").replace("AUTH", "").replace("SDP", SDP)
        + "".join(f'<recv response="{status}" optional="true"/>' for status in (100, 180, 183))
    )
    if final != 200:
        refused = REFUSED_ACK.replace("CSEQ", "1").replace("[branch-CHALLENGE]", "[branch-5]")
        return text + f'<recv response="{final}"/>' + refused + "</scenario>"
    routed = "Call-ID: [call_id]\n[routes]"
    ack, bye = (one.replace("Call-ID: [call_id]", routed) for one in (ACK, BYE))
    return (
        text
        + f'<recv response="200" rrs="true">{LEARN}</recv>'
        + ack.replace("CSEQ", "1")
        + f'<pause milliseconds="{talk_seconds * 1000:.0f}"/>'
        + bye
        + '<recv response="200"/></scenario>'
    )


def answering(ring_seconds: float = 0.2) -> str:
    """180, 200, then a BYE."""
    contact = "Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>\n"
    return (
        HEAD
        + '<recv request="INVITE"/>'
        + answer("180 Ringing", tag=True, contact=contact)
        + f'<pause milliseconds="{ring_seconds * 1000:.0f}"/>'
        + answer("200 OK", tag=True, contact=contact, body=SDP, retrans='retrans="500"')
        + '<recv request="ACK" rrs="true"/><recv request="BYE" timeout="40000"/>'
        + answer("200 OK")
        + "</scenario>"
    )


def answer(
    status: str,
    *,
    tag: bool = False,
    contact: str = "",
    body: str = "Content-Length: 0\n",
    retrans: str = "",
) -> str:
    text = ANSWER.replace("RETRANS", retrans).replace("STATUS", status).replace("CONTACT", contact)
    return text.replace("TAG", ";tag=[call_number]s" if tag else "").replace("BODY", body)


class Phone:
    """A SIPp at host:port; `edge` is where it sends what it sends."""

    def __init__(
        self,
        name: str,
        password: str,
        *,
        host: str,
        port: int,
        edge: str,
        domain: str,
        transport: str = "udp",
    ) -> None:
        self.name, self.password, self.host, self.port = name, password, host, port
        self.edge, self.domain, self.transport = edge, domain, transport
        # RFC 5626 4.1: without it all phones of a user look like one that comes back
        self.instance = uuid.uuid4()
        self.running: list[subprocess.Popen[bytes]] = []

    def start(
        self, scenario: str, number: str = "", seconds: int = 40, *more: str, times: int = 1
    ) -> subprocess.Popen[bytes]:
        """A scenario in the background; `more` are words for SIPp."""
        directory = Path(tempfile.mkdtemp(prefix="sipp-"))
        (directory / "phone.xml").write_text(
            scenario.replace("[password]", self.password).replace(
                "username=[service]", f"username={self.name}"
            )
        )
        command = [
            "sipp", self.edge, "-sf", "phone.xml", "-i", self.host, "-p", str(self.port), "-m", str(times), "-s", self.name, "-nostdin",
            "-key", "domain", self.domain, "-key", "number", number or "nobody", "-key", "instance", str(self.instance), "-timeout", str(seconds), "-timeout_error",
            "-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages",
            "-au", self.name, "-ap", self.password, "-t", "t1" if self.transport == "tcp" else "u1", *more,
        ]  # fmt: skip
        with (directory / "screen").open("wb") as screen:
            process = subprocess.Popen(
                command, cwd=directory, stdout=screen, stderr=screen, stdin=subprocess.DEVNULL
            )
        process.directory = directory  # type: ignore[attr-defined]
        self.running.append(process)
        return process

    def register(self) -> None:
        ended(self.start(registering()))

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def listening(process: subprocess.Popen[bytes], port: int, seconds: float = 10) -> None:
    """Waits until it serves; raises AssertionError with what it said if it does not."""
    until = time.monotonic() + seconds
    while not bound(port):
        assert process.poll() is None, f"SIPp ended before it listened\n{told(process)}"
        assert time.monotonic() < until, f"SIPp does not listen at {port}\n{told(process)}"
        time.sleep(0.01)


def ended(process: subprocess.Popen[bytes], seconds: float = 45) -> None:
    """Raises AssertionError with what SIPp saw unless its scenario went through."""
    code = process.wait(seconds)
    if code:
        raise AssertionError(f"SIPp ended with {code}\n{told(process)}")


def told(process: subprocess.Popen[bytes]) -> str:
    """The ends of what it wrote."""
    directory: Path = process.directory  # type: ignore[attr-defined]
    files = (directory / name for name in ("errors", "messages", "screen"))
    return "\n".join(path.read_text(errors="replace")[-6000:] for path in files if path.exists())
