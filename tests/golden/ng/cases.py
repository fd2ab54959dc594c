"""What rtpengine and Tandem's call table are both asked: flags and descriptions, in steps of one call."""

from typing import Any

Step = dict[str, Any]


def offer(body: str, from_tag: str = "a", to_tag: str = "", **more: Any) -> Step:
    return _step("offer", body, from_tag, to_tag, more)


def answer(body: str, from_tag: str = "a", to_tag: str = "b", **more: Any) -> Step:
    return _step("answer", body, from_tag, to_tag, more)


def _step(command: str, body: str, from_tag: str, to_tag: str, more: dict[str, Any]) -> Step:
    named = {key.replace("_", "-"): value for key, value in more.items()}
    tags = {"from-tag": from_tag} | ({"to-tag": to_tag} if to_tag else {})
    return {"command": command, **tags, "body": body, **named}


ORIGIN = ["origin", "session-connection"]
TO_SIP: dict[str, Any] = {
    "transport_protocol": "RTP/AVP",
    "ICE": "remove",
    "rtcp_mux": ["demux"],
    "replace": ORIGIN,
}
TO_WEB: dict[str, Any] = {
    "transport_protocol": "UDP/TLS/RTP/SAVPF",
    "ICE": "force",
    "rtcp_mux": ["offer"],
    "SDES": ["off"],
    "replace": ORIGIN,
}
FROM_WEB: dict[str, Any] = {"ICE": "force", "replace": ORIGIN}
TO_SDES: dict[str, Any] = {"transport_protocol": "RTP/SAVP", "DTLS": "off"}

CASES: dict[str, list[Step]] = {
    # plain
    "plain": [offer("plain"), answer("plain-answer")],
    "plain-replaced": [
        offer("plain", replace=ORIGIN),
        answer("plain-answer", replace=ORIGIN),
    ],
    "plain-ip6": [offer("plain-ip6"), answer("plain-answer")],
    "plain-to-ip6": [offer("plain", address_family="IP6"), answer("plain-ip6")],
    "interfaces": [offer("plain", direction=["priv", "pub"]), answer("plain-answer")],
    "baresip": [offer("baresip"), answer("opus-only-answer")],
    "avpf": [offer("avpf"), answer("avpf-answer")],
    "avpf-to-avp": [offer("avpf", transport_protocol="RTP/AVP"), answer("video-answer")],
    "avp-to-avpf": [offer("video", transport_protocol="RTP/AVPF"), answer("video-answer")],
    "video": [offer("video"), answer("video-answer")],
    "video-refused": [offer("video"), answer("video-refused")],
    "video-removed": [
        offer("video"),
        answer("video-answer"),
        offer("video-removed", "a", "b"),
        answer("video-refused"),
    ],
    "video-comes-back": [
        offer("video"),
        answer("video-refused"),
        offer("video", "a", "b"),
        answer("video-answer"),
    ],
    "two-audio": [offer("two-audio"), answer("two-audio-answer")],
    "msrp": [offer("msrp"), answer("plain-answer")],
    # in the call
    "hold-sendonly": [
        offer("plain"),
        answer("plain-answer"),
        offer("hold-sendonly", "a", "b"),
        answer("hold-recvonly-answer"),
        offer("plain", "a", "b"),
        answer("plain-answer"),
    ],
    "hold-inactive": [
        offer("plain"),
        answer("plain-answer"),
        offer("hold-inactive", "a", "b"),
    ],
    "hold-zero": [offer("plain"), answer("plain-answer"), offer("hold-zero", "a", "b")],
    "hold-zero-replaced": [
        offer("plain"),
        answer("plain-answer"),
        offer("hold-zero", "a", "b", replace=["zero-address"]),
    ],
    "hold-zero-original": [
        offer("plain"),
        answer("plain-answer"),
        offer("hold-zero", "a", "b", flags=["original-sendrecv"]),
    ],
    "offer-by-callee": [
        offer("plain"),
        answer("plain-answer"),
        offer("plain-answer", "b", "a"),
        answer("plain", "b", "a"),
    ],
    "late-offer": [offer("plain-answer", "b", "a"), answer("plain", "b", "a")],
    "fork": [
        offer("plain"),
        answer("plain-answer", "a", "b"),
        answer("hold-recvonly-answer", "a", "b2"),
    ],
    "branches": [
        offer("plain", via_branch="z1"),
        offer("plain", via_branch="z2"),
        answer("plain-answer", "a", "b", via_branch="z2"),
    ],
    "t38": [
        offer("plain"),
        answer("plain-answer"),
        offer("t38", "b", "a"),
        answer("t38-answer", "b", "a"),
    ],
    "t38-beside-audio": [
        offer("plain"),
        answer("plain-answer"),
        offer("t38-beside-audio", "b", "a"),
    ],
    # RTCP
    "mux-passed": [offer("rtcp-mux"), answer("rtcp-mux-answer")],
    "mux-refused-by-peer": [offer("rtcp-mux-two-ports"), answer("plain-answer")],
    "mux-offer": [offer("plain", rtcp_mux=["offer"]), answer("rtcp-mux-answer")],
    "mux-require": [offer("plain", rtcp_mux=["require"]), answer("rtcp-mux-answer")],
    "mux-demux": [offer("rtcp-mux-two-ports", rtcp_mux=["demux"]), answer("plain-answer")],
    "mux-accept": [offer("rtcp-mux-two-ports", rtcp_mux=["accept"]), answer("plain-answer")],
    "mux-reject": [offer("rtcp-mux-two-ports", rtcp_mux=["reject"]), answer("plain-answer")],
    "no-rtcp-attribute": [
        offer("plain", flags=["no rtcp attribute"]),
        answer("plain-answer", flags=["no-rtcp-attribute"]),
    ],
    "full-rtcp-attribute": [offer("plain", flags=["full-rtcp-attribute"])],
    # SRTP
    "sdes": [offer("savp", DTLS="off"), answer("savp-answer")],
    "sdes-and-dtls-offered": [offer("savp")],
    "sdes-to-plain": [offer("savp", transport_protocol="RTP/AVP"), answer("plain-answer")],
    "plain-to-sdes": [offer("plain", **TO_SDES), answer("savp-answer")],
    "plain-to-savp": [offer("plain", transport_protocol="RTP/SAVP")],
    "plain-to-savpf": [offer("plain", transport_protocol="RTP/SAVPF", DTLS="off")],
    "sdes-no": [
        offer("plain", **TO_SDES, SDES=["no-AEAD_AES_256_GCM", "no-AEAD_AES_128_GCM"]),
        answer("savp-answer"),
    ],
    "sdes-pad-lifetime": [offer("plain", **TO_SDES, SDES=["pad", "lifetime"])],
    "sdes-off": [offer("plain", transport_protocol="RTP/SAVP", SDES=["off"])],
    "sdes-flags": [offer("plain", **TO_SDES, flags=["SDES-no-AES_CM_128_HMAC_SHA1_32"])],
    "sdes-gcm": [offer("savp-gcm", transport_protocol="RTP/AVP"), answer("plain-answer")],
    "osrtp-passed": [offer("osrtp"), answer("osrtp-answer")],
    "osrtp-refused-by-peer": [offer("osrtp"), answer("plain-answer")],
    "osrtp-offer": [offer("plain", OSRTP=["offer"], DTLS="off"), answer("osrtp-answer")],
    "osrtp-accept": [offer("osrtp", OSRTP=["accept"]), answer("plain-answer", OSRTP=["accept"])],
    "dtls-to-plain": [offer("baresip-dtls", transport_protocol="RTP/AVP"), answer("plain-answer")],
    "dtls-passive": [
        offer("baresip-dtls", transport_protocol="RTP/AVP", DTLS_reverse="passive"),
        answer("plain-answer", DTLS="passive"),
    ],
    "dtls": [offer("baresip-dtls"), answer("dtls-answer")],
    "dtls-preferred": [
        offer("savp-dtls-and-sdes", transport_protocol="RTP/AVP"),
        answer("plain-answer"),
    ],
    # ICE
    "ice-default": [offer("ice"), answer("ice-answer")],
    "ice-refused-by-peer": [offer("ice"), answer("plain-answer")],
    "ice-remove": [offer("ice", ICE="remove"), answer("plain-answer", ICE="remove")],
    "ice-remove-forward": [offer("ice", ICE="remove"), answer("plain-answer")],
    "ice-force": [offer("plain", ICE="force"), answer("ice-answer")],
    "ice-force-refused": [offer("plain", ICE="force"), answer("plain-answer")],
    "ice-reject": [offer("ice", flags=["reject-ICE"]), answer("ice-answer")],
    "ice-trickle": [offer("plain", ICE="force", flags=["trickle-ICE"])],
    # browsers
    "chromium-to-sip": [offer("chromium-audio", **TO_SIP), answer("plain-answer", **FROM_WEB)],
    "chromium-trickle-to-sip": [
        offer("chromium-trickle", **TO_SIP),
        answer("plain-answer", **FROM_WEB),
    ],
    "firefox-to-sip": [offer("firefox-audio", **TO_SIP), answer("plain-answer", **FROM_WEB)],
    "sip-to-chromium": [offer("plain", **TO_WEB), answer("chromium-pcma-answer", **TO_SIP)],
    "sip-to-chromium-required": [
        offer("plain", **{**TO_WEB, "rtcp_mux": ["require"]}, flags=["generate-mid"]),
        answer("chromium-pcma-answer", **TO_SIP),
    ],
    "chromium-to-chromium": [offer("chromium-audio"), answer("chromium-answer")],
    "chromium-bundle": [offer("chromium-av"), answer("chromium-av-answer")],
    "chromium-av-to-sip": [offer("chromium-av", **TO_SIP), answer("plain-answer", **FROM_WEB)],
    "chromium-data": [offer("chromium-data", **TO_SIP), answer("plain-answer", **FROM_WEB)],
    "extmap-stripped": [offer("chromium-audio", **TO_SIP, flags=["strip-extmap"])],
    # codecs
    "strip": [offer("plain", codec={"strip": ["PCMU", "G722"]}), answer("plain-answer")],
    "strip-all-except": [
        offer("plain", codec={"strip": ["all"], "except": ["PCMA", "telephone-event"]}),
        answer("plain-answer"),
    ],
    "strip-all-offer": [
        offer("plain", codec={"strip": ["all"], "offer": ["G722", "PCMU"]}),
        answer("plain-answer"),
    ],
    "strip-everything": [offer("plain", codec={"strip": ["all"]})],
    "strip-by-flag": [offer("plain", flags=["codec-strip-PCMU", "codec-strip-G722/8000"])],
    "codec-order": [offer("plain", codec={"offer": ["G722", "PCMA"]})],
    "single-codec": [offer("plain"), answer("plain", "a", "b", flags=["single-codec"])],
    "strip-video-codec": [offer("chromium-av", codec={"strip": ["H264"]})],
    "ptime": [offer("plain", ptime=30)],
    # addresses and the session's lines
    "media-address": [offer("plain", media_address="192.0.2.200"), answer("plain-answer")],
    "generate-mid": [offer("plain", flags=["generate-mid"])],
    "username-and-name": [
        offer("plain", replace=["username", "session-name", "SDP-version"]),
        answer("plain-answer"),
    ],
    "unknown-flag": [offer("plain", flags=["no-such-flag"], ICE="sometimes")],
    "no-sdp": [{"command": "offer", "from-tag": "a"}],
    "broken-sdp": [{"command": "offer", "from-tag": "a", "sdp": "hello"}],
    "unknown-call": [answer("plain-answer")],
}
