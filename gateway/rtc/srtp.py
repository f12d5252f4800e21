"""SRTP: RTP and RTCP packets, protected (RFC 3711, RFC 7714).

libsrtp does the work.  Its Python wrapper makes an object for each packet's
length; here one buffer and one length serve all packets of a call, which saves
a third of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pylibsrtp
from pylibsrtp import Policy, Session

# The wrapper's own C functions: it offers no other way to keep the buffer.
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]

MAX_SSRCS = 16  # of one peer: libsrtp keeps a replay window for each
MAX_PACKET_BYTES = 2048
WINDOW_PACKETS = 1024  # of replay protection; 20 s of audio, or a burst of video

_RTP_HEADER_BYTES = 12
_RTCP_HEADER_BYTES = 8
_SRTCP_INDEX_BYTES = 4
_MAX_TRAILER_BYTES = 148  # SRTCP index, the longest tag, and an MKI as libsrtp allows


class SrtpError(Exception):
    """A packet cannot be protected or opened; the text says why."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2)."""

    libsrtp: int
    key_bytes: int
    salt_bytes: int
    tag_bytes: int


# By preference, cheapest first: an authenticating cipher needs no second pass
# for HMAC-SHA1.  AES-256 costs the same and protects what a P-256 handshake
# has agreed on no better.
PROFILES = {
    "AEAD_AES_128_GCM": Profile(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    "AEAD_AES_256_GCM": Profile(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16),
    "AES128_CM_SHA1_80": Profile(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
}


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What a DTLS handshake agreed on: a profile's name, and key with salt of each side."""

    profile: str
    local: bytes = field(repr=False)
    remote: bytes = field(repr=False)


class Srtp:
    """The protected packets of one call, both directions.

    Each method takes a packet and returns another, or raises :exc:`SrtpError`:
    what is short, false, seen before, or from one SSRC too many.  ``dropped``
    counts the packets from the peer that were refused.

    Of the peer's SSRCs the first 16 that prove themselves are taken.  A packet
    of ours is protected once: whoever sends it again keeps the result, since
    two different packets of one number would give the key stream away.
    """

    def __init__(self, keys: SrtpKeys) -> None:
        profile = PROFILES[keys.profile]
        # The sessions own what the pointers beside them point to.
        self._sessions = (
            _session(keys.local, Policy.SSRC_ANY_OUTBOUND, profile),
            _session(keys.remote, Policy.SSRC_ANY_INBOUND, profile),
        )
        self._outbound, self._inbound = (session._srtp[0] for session in self._sessions)
        self._bytes = ffi.new("char[]", MAX_PACKET_BYTES + _MAX_TRAILER_BYTES)
        self._buffer = ffi.buffer(self._bytes)
        self._length = ffi.new("int *")
        self._min_rtp_bytes = _RTP_HEADER_BYTES + profile.tag_bytes
        self._min_rtcp_bytes = _RTCP_HEADER_BYTES + _SRTCP_INDEX_BYTES + profile.tag_bytes
        self._ssrcs: set[bytes] = set()
        self.dropped = 0

    def protect(self, packet: bytes) -> bytes:
        """One RTP packet for the wire."""
        return self._run(lib.srtp_protect, self._outbound, packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """One compound RTCP packet for the wire."""
        return self._run(lib.srtp_protect_rtcp, self._outbound, packet)

    def unprotect(self, packet: bytes) -> bytes:
        """The RTP packet in what came from the wire."""
        return self._open(lib.srtp_unprotect, packet, self._min_rtp_bytes, packet[8:12])

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The compound RTCP packet in what came from the wire."""
        return self._open(lib.srtp_unprotect_rtcp, packet, self._min_rtcp_bytes, packet[4:8])

    def _open(self, function: Any, packet: bytes, min_bytes: int, ssrc: bytes) -> bytes:
        known = ssrc in self._ssrcs
        try:
            if len(packet) < min_bytes:
                raise SrtpError("the packet is too short")
            if not known and len(self._ssrcs) == MAX_SSRCS:
                raise SrtpError("the peer has used too many SSRCs")
            opened = self._run(function, self._inbound, packet)
        except SrtpError:
            self.dropped += 1
            raise
        if not known:
            self._ssrcs.add(ssrc)
        return opened

    def _run(self, function: Any, session: Any, packet: bytes) -> bytes:
        size = len(packet)
        if size > MAX_PACKET_BYTES:
            raise SrtpError("the packet is too long")
        buffer, length = self._buffer, self._length
        buffer[:size] = packet
        length[0] = size
        status = function(session, self._bytes, length)
        if status:
            raise SrtpError(pylibsrtp.ERRORS[status])
        result: bytes = buffer[: length[0]]
        return result


def _session(key: bytes, ssrcs: int, profile: Profile) -> Session:
    assert len(key) == profile.key_bytes + profile.salt_bytes, "the handshake gave whole keys"
    policy = Policy(key=key, ssrc_type=ssrcs, srtp_profile=profile.libsrtp)
    policy.window_size = WINDOW_PACKETS
    return Session(policy)
