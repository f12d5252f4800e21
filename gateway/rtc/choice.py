"""Which sections of an offer a call uses.

A call has one audio section and at most one data channel section, on one
transport.  The first audio section that can be used is the call's; the data
channel is taken if it is in the same BUNDLE group.  Further audio that is
inactive is accepted as such, so that nothing of the peer's is taken away.
Video that comes first in the group is accepted inactive too: with
``max-bundle`` the one transport is tied to that section, and Chromium cannot
apply an answer that rejects it.  What is not chosen is rejected.  A later offer
finds the choice as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.errors import BadOffer, NoCommonCodec
from gateway.rtc import sections
from gateway.rtc.formats import AudioFormat, choose_formats
from gateway.rtc.sections import Description, Section

SCTP_PORT = 5000

# RFC 8829 §5.1.2: some write the plain profiles and mean DTLS-SRTP.
_RTP_PROFILE = re.compile(r"(?:(?:UDP/TLS/|TCP/DTLS/)?RTP/SAVPF?|RTP/AVPF?)")
_DATA_PROFILES = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP")


@dataclass(frozen=True, slots=True)
class DataChannel:
    """The peer's SCTP port and the largest message it takes; 0 is any size (RFC 8841 §6)."""

    sctp_port: int
    max_message_bytes: int
    mid: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A section as the next offer must repeat it.

    ``use`` is ``audio`` or ``data``, ``spare`` for audio and ``carrier`` for
    video that is accepted and inactive, or empty for a section that was rejected.
    """

    kind: str
    mid: str
    use: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The sections of the call.

    ``carrier`` is video that only lends its transport.  ``formats`` has what we
    take of each accepted audio section, by index; ``group`` are all the mids that
    share the transport, empty without BUNDLE.
    """

    audio: Section
    data: Section | None
    carrier: Section | None
    formats: dict[int, tuple[AudioFormat, ...]]
    group: tuple[str, ...]

    def use_of(self, section: Section) -> str:
        """The ``use`` of a section, as in :class:`Slot`."""
        if section is self.audio:
            return "audio"
        if section is self.data:
            return "data"
        if section is self.carrier:
            return "carrier"
        return "spare" if section.index in self.formats else ""


def choose(description: Description, slots: Sequence[Slot] = ()) -> Choice:
    """Choose what a call uses; ``slots`` are those of the offer before.

    Raises :exc:`BadOffer` when there is no audio to have, or when the sections
    are not those of the call, and :exc:`NoCommonCodec`.
    """
    _check_slots(description, slots)
    alive = [
        section
        for section in description.sections
        if section.media.kind == "audio"
        and description.is_alive(section)
        and _RTP_PROFILE.fullmatch(section.media.profile)
    ]
    audio, formats = _choose_audio(alive, slots)
    group = description.group_of(audio)
    taken = {audio.index: formats}
    for section in alive:
        is_spare = section.direction == "inactive" or _use(slots, section)
        if section is not audio and section.mid in group and is_spare:
            formats = choose_formats(section)
            if formats:
                taken[section.index] = formats
    data = _choose_data(description, group, slots)
    return Choice(audio, data, _find_carrier(description, group), taken, group)


def data_channel_of(section: Section) -> DataChannel:
    """What a section says in the form of RFC 8841 or the one before it; port 0 if neither."""
    media = section.media
    port = 0
    if media.fmt == ["webrtc-datachannel"]:
        port = SCTP_PORT if media.sctp_port is None else media.sctp_port
    else:
        for number, protocol in media.sctpmap.items():
            if protocol.startswith("webrtc-datachannel") and media.fmt == [str(number)]:
                port = number
    limit = media.sctpCapabilities
    return DataChannel(port, 65_536 if limit is None else limit.maxMessageSize, section.mid)


def _check_slots(description: Description, slots: Sequence[Slot]) -> None:
    """Places may be added; a place in use keeps its kind and name (RFC 3264 §8)."""
    is_same = len(description.sections) >= len(slots) and all(
        (section.media.kind, section.mid) == (slot.kind, slot.mid)
        for section, slot in zip(description.sections, slots, strict=False)
        if slot.use
    )
    if not is_same:
        raise BadOffer("the sections are not those of the call, in their order")


def _choose_audio(
    alive: Sequence[Section], slots: Sequence[Slot]
) -> tuple[Section, tuple[AudioFormat, ...]]:
    """The call's section while it lives, inactive or not; else the first that can be used."""
    if not alive:
        raise BadOffer(sections.NO_AUDIO)
    usable = [section for section in alive if _use(slots, section) == "audio"]
    usable += [section for section in alive if section.direction != "inactive"]
    if not usable:
        raise BadOffer(sections.INACTIVE)
    for section in usable:
        formats = choose_formats(section)
        if formats:
            return section, formats
    raise NoCommonCodec(sections.NO_CODEC)


def _choose_data(
    description: Description, group: Iterable[str], slots: Sequence[Slot]
) -> Section | None:
    """The call's data channel while it lives, or the first that shares the transport."""
    fit = [
        section
        for section in description.sections
        if section.media.kind == "application"
        and section.mid in group
        and description.is_alive(section)
        and section.media.profile in _DATA_PROFILES
        and 0 < data_channel_of(section).sctp_port < 65536
    ]
    if any(slot.use == "data" for slot in slots):
        fit = [section for section in fit if _use(slots, section) == "data"]
    return fit[0] if fit else None


def _find_carrier(description: Description, group: Sequence[str]) -> Section | None:
    for section in description.sections:
        if section.mid and group[:1] == (section.mid,):
            is_video = section.media.kind == "video" and bool(section.media.rtp.codecs)
            is_fit = description.is_alive(section) and _RTP_PROFILE.fullmatch(section.media.profile)
            return section if is_video and is_fit else None
    return None


def _use(slots: Sequence[Slot], section: Section) -> str:
    return slots[section.index].use if section.index < len(slots) else ""
