"""Which sections of an SDP offer a call takes, and how the rest is rejected.

A call has one audio section and at most one data channel section.  aiortc
answers every section it is shown, so it is shown only those two
(:func:`reduce_offer`), and the others are put back into its answer as rejected
sections, at their places (:func:`restore_answer`): RFC 3264 §6 wants as many
sections in the answer as in the offer, in the same order.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from aiortc import RTCIceCandidate, sdp

from gateway.errors import BadOffer, NoCommonCodec
from gateway.rtc import sections
from gateway.rtc.sections import FINGERPRINTS

AUDIO_CODECS = frozenset({("opus", 48000), ("pcmu", 8000), ("pcma", 8000), ("g722", 8000)})


@dataclass(frozen=True, slots=True)
class Offer:
    """A reduced offer, ready for the engine, and what was left out of it.

    ``rejected`` maps the index of a section to the text that rejects it.
    """

    sdp: str
    rejected: dict[int, str]


def reduce_offer(text: str) -> Offer:
    """Check an offer and keep what a call can use.

    Raises :exc:`BadOffer` when it is no offer, has no audio section, or lacks
    ICE credentials or a fingerprint, and :exc:`NoCommonCodec` when its audio
    sections speak nothing we do.  Candidates with mDNS names (``….local``) are
    left out: such a peer is learned from its own checks (RFC 8445 §7.3.1.3).
    """
    description = sections.parse(text)
    audio = _choose_audio(description)
    data = _choose_data(description)
    kept = [media for media in description.media if media is audio or media is data]
    tagged = _bundle_tagged(description)
    for media in kept:
        _complete_transport(media, tagged)

    rejected = {
        index: _rejection(media)
        for index, media in enumerate(description.media)
        if media is not audio and media is not data
    }
    mids = [media.rtp.muxId for media in kept]
    for group in description.group:
        group.items = [mid for mid in group.items if mid in mids]
    description.media = kept
    try:
        return Offer(sdp=str(description), rejected=rejected)
    except Exception as error:  # a section that was read but cannot be written again
        raise BadOffer(f"the SDP is incomplete ({type(error).__name__})") from None


def restore_answer(answer: str, rejected: dict[int, str]) -> str:
    """Put the rejected sections back, and keep only the sha-256 fingerprint.

    Some stacks take the first fingerprint line they know a hash for, others
    the last; with one line there is nothing to choose (RFC 8122 §5).
    """
    head, *parts = _split(answer)
    for index in sorted(rejected):
        parts.insert(index, rejected[index])
    lines = "".join([head, *parts]).split("\r\n")
    return "\r\n".join(
        line
        for line in lines
        if not line.startswith("a=fingerprint:") or line.startswith("a=fingerprint:sha-256 ")
    )


def _choose_audio(description: sdp.SessionDescription) -> sdp.MediaDescription:
    """The first audio section that is alive and speaks a codec of ours."""
    audio = [media for media in description.media if media.kind == "audio" and media.port != 0]
    if not audio:
        raise BadOffer(sections.NO_AUDIO)
    active = [media for media in audio if media.direction != "inactive"]
    if not active:
        raise BadOffer(sections.INACTIVE)
    for media in active:
        if any(_is_spoken(codec.mimeType, codec.clockRate) for codec in media.rtp.codecs):
            media.direction = media.direction or "sendrecv"  # RFC 8866 §6.7: the default
            return media
    raise NoCommonCodec(sections.NO_CODEC)


def _is_spoken(mime_type: str, clock_rate_hz: int) -> bool:
    return (mime_type.rpartition("/")[2].lower(), clock_rate_hz) in AUDIO_CODECS


def _choose_data(description: sdp.SessionDescription) -> sdp.MediaDescription | None:
    for media in description.media:
        if media.kind == "application" and media.port != 0 and "SCTP" in media.profile:
            return media
    return None


def _complete_transport(media: sdp.MediaDescription, tagged: sdp.MediaDescription | None) -> None:
    """Give a section what the tagged one carries for the whole bundle (RFC 8843 §7.1)."""
    assert media.ice is not None, "the parser makes one for every section"
    if tagged is not None and tagged is not media:
        if not media.ice.usernameFragment and tagged.ice is not None:
            media.ice = tagged.ice
        if media.dtls is None or not media.dtls.fingerprints:
            media.dtls = tagged.dtls
        if not media.ice_candidates:
            media.ice_candidates = list(tagged.ice_candidates)
    if not media.ice.usernameFragment or not media.ice.password:
        raise BadOffer(sections.NO_CREDENTIALS)
    if media.dtls is None:
        raise BadOffer(sections.NO_ROLE)
    if not any(print_.algorithm in FINGERPRINTS for print_ in media.dtls.fingerprints):
        raise BadOffer(sections.NO_FINGERPRINT)
    if media.kind == "audio" and not media.rtcp_mux:
        raise BadOffer(sections.NO_RTCP_MUX)
    if media.rtcp_port is None:
        media.rtcp_port = 9  # aiortc writes a=rtcp-mux beside a=rtcp only
    plain = [candidate for candidate in media.ice_candidates if _is_reachable(candidate)]
    if len(plain) < len(media.ice_candidates):
        # More are to be learned: an agent with a complete list of none gives up at once.
        media.ice_candidates, media.ice_candidates_complete = plain, False


def _is_reachable(candidate: RTCIceCandidate) -> bool:
    """An address and a port that a packet can be sent to; mDNS names are not."""
    try:
        address = ipaddress.ip_address(candidate.ip)
    except ValueError:
        return False
    is_single = not (address.is_multicast or address.is_unspecified or address.is_reserved)
    return is_single and 0 < candidate.port < 65536


def _bundle_tagged(description: sdp.SessionDescription) -> sdp.MediaDescription | None:
    for group in description.group:
        if group.semantic == "BUNDLE" and group.items:
            for media in description.media:
                if media.rtp.muxId == group.items[0]:
                    return media
    return None


def _rejection(media: sdp.MediaDescription) -> str:
    formats = " ".join(map(str, media.fmt))
    lines = sections.rejection(media.kind, media.profile, formats, media.rtp.muxId)
    return "\r\n".join(lines) + "\r\n"


def _split(text: str) -> list[str]:
    """The session part and each media section of an SDP, each ending in CRLF."""
    parts = text.split("\r\nm=")
    return [
        *(["m=" * bool(i) + part + "\r\n" for i, part in enumerate(parts[:-1])]),
        "m=" * (len(parts) > 1) + parts[-1],
    ]
