"""What an offer says of the peer's transport: credentials, certificate, role.

In a BUNDLE group one section speaks for all: the first that we accept.  Where
it has no transport lines, being bundle-only, the first of the group at all
does (RFC 8843 §7.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import BadOffer
from gateway.rtc import sections
from gateway.rtc.choice import Choice
from gateway.rtc.sections import Description, Section

_PAIR = re.compile("[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class Remote:
    """The peer's ICE credentials, fingerprints, and DTLS role as it offers it.

    ``role`` is ``client`` (active), ``server`` (passive) or ``auto`` (actpass).
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    role: str


def read_remote(description: Description, choice: Choice) -> Remote:
    """Raises :exc:`BadOffer` when something is missing that a call cannot be without."""
    speakers = _speakers(description, choice)
    ufrag, pwd = _credentials(speakers)
    role = next((each.media.dtls.role for each in speakers if each.media.dtls is not None), None)
    if role is None:
        raise BadOffer(sections.NO_ROLE)
    fingerprints = _fingerprints(speakers)
    if not any(section.media.rtcp_mux for section in speakers):
        raise BadOffer(sections.NO_RTCP_MUX)
    return Remote(ufrag, pwd, fingerprints, role)


def _speakers(description: Description, choice: Choice) -> list[Section]:
    by_mid = {section.mid: section for section in description.sections}
    members = [by_mid[mid] for mid in choice.group if mid in by_mid]
    accepted = [section for section in members if choice.use_of(section)]
    return [*accepted, *members[:1], choice.audio]


def _credentials(speakers: Sequence[Section]) -> tuple[str, str]:
    for section in speakers:
        ice = section.media.ice
        if ice is not None and ice.usernameFragment and ice.password:
            return ice.usernameFragment, ice.password
    raise BadOffer(sections.NO_CREDENTIALS)


def _fingerprints(speakers: Sequence[Section]) -> tuple[tuple[str, str], ...]:
    for section in speakers:
        dtls = section.media.dtls
        offered = [] if dtls is None else dtls.fingerprints
        pairs = [(each.algorithm.lower(), each.value.upper()) for each in offered]
        known = dict.fromkeys(pair for pair in pairs if _is_known(*pair))
        if known:
            return tuple(known)
    raise BadOffer(sections.NO_FINGERPRINT)


def _is_known(algorithm: str, value: str) -> bool:
    pairs = value.split(":")
    return len(pairs) == sections.FINGERPRINTS.get(algorithm) and all(map(_PAIR.fullmatch, pairs))
