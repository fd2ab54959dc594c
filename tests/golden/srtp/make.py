"""Packets protected by libsrtp, for tests of our own SRTP. Made once; not run by any test.

pip install pylibsrtp==1.0.0; python make.py > packets.txt
"""

import struct

from pylibsrtp import Policy, Session

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}
SSRC = 0x1234ABCD
FIRST = 65_530  # wraps after 6 packets
LATE = 2 * 65_536 - 5  # wraps a second time


def rtp(index: int) -> bytes:
    """A packet; its form and length depend on its index."""
    csrcs = index % 3 == 0
    extension = index % 4 == 0
    first = 0x80 | (0x10 if extension else 0) | (2 if csrcs else 0)
    head = struct.pack(
        "!BBHII", first, 0x80 | (index % 2 * 8), index & 0xFFFF, index * 160 & 0xFFFFFFFF, SSRC
    )
    if csrcs:
        head += struct.pack("!II", index, 0xFFFFFFFF)
    if extension:
        head += struct.pack("!HH", 0xBEDE, 2) + bytes(range(8))
    length = (160, 0, 1, 15, 16, 17, 255, 256, 257, 1200)[index % 10]
    return head + bytes((index + n) & 0xFF for n in range(length))


def rtcp(number: int) -> bytes:
    """A sender report with a CNAME, or a receiver report with nothing."""
    if number % 2:
        return struct.pack("!BBHI", 0x80, 201, 1, SSRC)
    report = struct.pack("!BBHIQIII", 0x80, 200, 6, SSRC, number << 40, number, 5, 800)
    return report + struct.pack("!BBHI", 0x81, 202, 3, SSRC) + b"\x01\x05a@b.c\x00"


def session(profile: int, key: bytes) -> Session:
    policy = Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
    policy.window_size = 1024
    return Session(policy=policy)


def main() -> None:
    print(
        "# suite key_salt kind index plain protected; indices are whole ones, libsrtp 2 made these"
    )
    for name, (profile, length) in SUITES.items():
        key = bytes((n * 7 + length) & 0xFF for n in range(length))
        libsrtp = session(profile, key)

        def line(kind: str, index: int, plain: bytes, protected: bytes, name=name, key=key) -> None:
            print(name, key.hex(), kind, index, plain.hex(), protected.hex())

        order = [*range(FIRST, FIRST + 16)]
        order[4], order[8] = order[8], order[4]  # over the wrap, and back
        for index in order:
            line("rtp", index, rtp(index), libsrtp.protect(rtp(index)))
        for number in range(1, 5):  # libsrtp begins with 1
            line("rtcp", number, rtcp(number), libsrtp.protect_rtcp(rtcp(number)))
        for index in range(FIRST + 16, LATE):
            libsrtp.protect(rtp(index))
        for index in range(LATE, LATE + 10):
            line("rtp", index, rtp(index), libsrtp.protect(rtp(index)))


if __name__ == "__main__":
    main()
