"""What an offer and we agree on, and the answer that says so.

Every section is answered at its place (RFC 3264 §6, RFC 8829 §5.3):
``choice.py`` says which are used, ``remote.py`` who the peer is, ``answer.py``
writes.

Towards ``actpass`` we are passive.  RFC 5763 §5 prefers an active answerer, so
that the handshake can begin before the answer arrives; but an ICE-lite side
hears and sends nothing before the peer has the answer.  A peer that starts by
itself starts when its own check has succeeded, on the path it chose, and
repeats a lost hello after its own short timer; a hello of ours that came too
early would cost a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import BadOffer
from gateway.rtc import answer, sections
from gateway.rtc.answer import LocalParameters, Transport
from gateway.rtc.choice import SCTP_PORT, Choice, DataChannel, Slot, choose, data_channel_of
from gateway.rtc.formats import AudioFormat, choose_telephone_event
from gateway.rtc.remote import Remote, read_remote
from gateway.rtc.sections import Description, read_sections

__all__ = ["AudioFormat", "DataChannel", "LocalParameters", "Negotiated", "Slot", "negotiate"]

_DIRECTIONS = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class Negotiated:
    """One completed exchange of offer and answer.

    ``ufrag``, ``pwd`` and ``fingerprints`` are the peer's, these as
    ``(algorithm, "AA:BB:…")``.  ``formats`` is what we accept, in the offer's
    order; the first is what we send.  ``sends`` and ``receives`` are audio,
    from our side.  ``restarted`` is an ICE restart (RFC 8445 §9): the peer's
    credentials are others than before.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    is_dtls_client: bool
    formats: tuple[AudioFormat, ...]
    telephone_event: int | None
    sends: bool
    receives: bool
    audio_mid: str
    mid_extension_id: int | None
    audio_level_extension_id: int | None
    reduced_size_rtcp: bool
    data_channel: DataChannel | None
    slots: tuple[Slot, ...]
    restarted: bool
    answer: str


def negotiate(offer: str, local: LocalParameters, previous: Negotiated | None = None) -> Negotiated:
    """Answer an offer, the first of a call or a later one (``previous``).

    A later offer has the same sections in the same order, perhaps more, and
    comes from the same certificate; roles stay.  After a restart the answer
    needs credentials of ours that are new as well: when the result says
    ``restarted``, call again with them.

    Raises :exc:`BadOffer` when the offer cannot be answered, and
    :exc:`NoCommonCodec` when its audio is in no codec of ours.
    """
    description = read_sections(offer)
    if description.is_lite:
        raise BadOffer("the offer is ICE-lite, as we are: nobody would look for the other")
    choice = choose(description, previous.slots if previous else ())
    remote = read_remote(description, choice)
    is_dtls_client = remote.role == "server"
    if previous is not None:
        _check_association(remote, previous)
        is_dtls_client = previous.is_dtls_client

    audio = choice.audio
    formats = choice.formats[audio.index]
    telephone_event = choose_telephone_event(audio, formats)
    direction = _DIRECTIONS[audio.direction]
    transport = Transport.of(
        local, is_dtls_client=is_dtls_client, is_trickling=description.is_trickling
    )
    return Negotiated(
        ufrag=remote.ufrag,
        pwd=remote.pwd,
        fingerprints=remote.fingerprints,
        is_dtls_client=is_dtls_client,
        formats=formats,
        telephone_event=telephone_event,
        sends=direction in ("sendrecv", "sendonly"),
        receives=direction in ("sendrecv", "recvonly"),
        audio_mid=audio.mid,
        mid_extension_id=audio.extension_id(sections.MID_URI),
        audio_level_extension_id=audio.extension_id(sections.AUDIO_LEVEL_URI),
        reduced_size_rtcp="a=rtcp-rsize" in audio.lines,
        data_channel=None if choice.data is None else data_channel_of(choice.data),
        slots=tuple(
            Slot(section.media.kind, section.mid, choice.use_of(section))
            for section in description.sections
        ),
        restarted=previous is not None
        and (remote.ufrag, remote.pwd) != (previous.ufrag, previous.pwd),
        answer=_write(description, choice, transport, telephone_event, direction, local),
    )


def _check_association(remote: Remote, previous: Negotiated) -> None:
    """A call keeps its DTLS association (RFC 8842 §4)."""
    if set(remote.fingerprints) != set(previous.fingerprints):
        raise BadOffer("the fingerprint changed: another certificate is another call")
    if remote.role == ("client" if previous.is_dtls_client else "server"):
        raise BadOffer("the DTLS role changed (a=setup): that would be another association")


def _write(
    description: Description,
    choice: Choice,
    transport: Transport,
    telephone_event: int | None,
    direction: str,
    local: LocalParameters,
) -> str:
    accepted = {each.mid for each in description.sections if choice.use_of(each)}
    bundled = [mid for mid in choice.group if mid in accepted]
    tagged = bundled[0] if bundled else choice.audio.mid
    lines = answer.head(local, bundled)
    for section in description.sections:
        formats = choice.formats.get(section.index, ())
        match choice.use_of(section):
            case "audio":
                lines += answer.audio_section(
                    section, transport, formats, telephone_event, direction, local
                )
            case "spare":
                lines += answer.audio_section(section, transport, formats, None, "inactive", local)
            case "data":
                lines += answer.data_section(section, transport, SCTP_PORT)
            case "carrier":
                lines += answer.carrier_section(section, transport)
            case _:
                lines += section.rejection
                continue
        if section.mid == tagged:
            lines += transport.candidates
    return "\r\n".join(lines) + "\r\n"
