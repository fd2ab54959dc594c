"""A WebRTC peer by aiortc: ICE, DTLS-SRTP and rtcp-mux as others speak them, a tone out, an ear in. Not a test itself."""

import asyncio
import fractions
import time
from typing import Self

import aioice.ice
import aioice.stun
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from rtp_phone import PACKET_SAMPLES, PACKET_SECONDS, RATE, Ear
from tandem.testing.tones import tone


class Tone(MediaStreamTrack):
    """20 ms of a sine every 20 ms."""

    kind = "audio"

    def __init__(self, hz: int) -> None:
        super().__init__()
        self.hz, self.number, self.began = hz, 0, time.monotonic()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(max(0.0, self.began + self.number * PACKET_SECONDS - time.monotonic()))
        first, self.number = self.number * PACKET_SAMPLES, self.number + 1
        frame = AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
        frame.planes[0].update(tone(self.hz, RATE, first, PACKET_SAMPLES))
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, fractions.Fraction(1, RATE)
        return frame


class WebRtcPhone:
    """One peer connection with one audio stream of PCMU, on loopback only."""

    def __init__(self, hz: int, *, listens_to: tuple[int, ...]) -> None:
        self.ear = Ear(listens_to)
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tone = Tone(hz)
        self.listening: asyncio.Task[None] | None = None
        self.pc.on("track", self._track)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pc.close()
        if self.listening is not None:
            self.listening.cancel()

    async def offer(self) -> str:
        self.pc.addTrack(self.tone)
        self._only_pcmu()
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def answered(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def answer(self, sdp: str) -> str:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        self.pc.addTrack(self.tone)
        self._only_pcmu()
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return str(self.pc.localDescription.sdp)

    @property
    def dtls(self) -> object:
        """Its transport, with the role that was agreed."""
        return self.pc.getSenders()[0].transport

    async def consent(self) -> bool:
        """Whether one question on the chosen pair is answered (RFC 7675)."""
        return await consents(self.dtls.transport._connection)  # type: ignore[attr-defined]

    def _only_pcmu(self) -> None:
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        pcmu = [codec for codec in codecs if codec.mimeType == "audio/PCMU"]
        self.pc.getTransceivers()[0].setCodecPreferences(pcmu)

    def _track(self, track: MediaStreamTrack) -> None:
        self.listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self.ear.take(bytes(frame.planes[0])[: 2 * frame.samples], frame.sample_rate)
        except MediaStreamError:
            return


async def consents(connection: aioice.ice.Connection) -> bool:
    """Whether one question on the nominated pair is answered (RFC 7675)."""
    pair = connection._nominated[1]
    request = connection.build_request(pair, nominate=False)
    try:
        await pair.protocol.request(
            request,
            pair.remote_addr,
            integrity_key=connection.remote_password.encode(),
            retransmissions=0,
        )
    except aioice.stun.TransactionError:
        return False
    return True
