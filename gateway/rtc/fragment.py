"""Trickle ICE fragments (RFC 8840 §9), the bodies of WHIP's ``PATCH`` (RFC 9725 §4.3).

Ours has all candidates in its answer, so a fragment of the peer's tells us
little: which credentials it speaks of.  Those of a restart are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import BadFragment

MAX_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class Fragment:
    """Credentials, and the candidates known so far as attribute values (``candidate:…``).

    ``mid`` is the first section's name, empty when the fragment names none.
    """

    ufrag: str
    pwd: str
    candidates: tuple[str, ...]
    end_of_candidates: bool
    mid: str


def parse_fragment(text: str) -> Fragment:
    """Read a fragment; names instead of addresses in candidates are left as they are.

    Raises :exc:`BadFragment` when the text is no fragment, or lacks the
    credentials it speaks of, or speaks of two.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadFragment(f"the fragment is longer than {MAX_CHARACTERS} characters")
    found: dict[str, list[str]] = {"ice-ufrag": [], "ice-pwd": [], "candidate": [], "mid": []}
    has_end = False
    for line in filter(None, (line.rstrip() for line in text.splitlines())):
        if line[1:2] != "=":
            raise BadFragment("the body is no fragment of SDP: a line is not of the form a=…")
        name, _, value = line[2:].partition(":")
        if line[0] == "a" and name in found:
            found[name].append(value)
        has_end = has_end or line == "a=end-of-candidates"
    ufrags, pwds = set(found["ice-ufrag"]), set(found["ice-pwd"])
    if len(ufrags) != 1 or len(pwds) != 1 or not all(ufrags | pwds):
        raise BadFragment(
            "the fragment has no ICE credentials (a=ice-ufrag, a=ice-pwd), or several"
        )
    if not all(map(_is_candidate, found["candidate"])):
        raise BadFragment("the fragment has a candidate that cannot be read (a=candidate)")
    return Fragment(
        ufrag=ufrags.pop(),
        pwd=pwds.pop(),
        candidates=tuple(f"candidate:{value}" for value in found["candidate"]),
        end_of_candidates=has_end,
        mid=next(iter(found["mid"]), ""),
    )


def make_fragment(ufrag: str, pwd: str, candidates: Sequence[str], *, mid: str = "0") -> str:
    """The answer to a restart: our new credentials and all candidates.

    ``mid`` is the section that carries the candidates in the SDP answer.
    """
    lines = [
        "a=ice-lite",
        "a=ice-options:trickle",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        f"a=mid:{mid}",
        *(f"a={candidate}" for candidate in candidates),
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"


def _is_candidate(value: str) -> bool:
    """Foundation, component, transport, priority, address, port, ``typ`` and type."""
    fields = value.split()
    return (
        len(fields) >= 8 and fields[6] == "typ" and all(fields[at].isdecimal() for at in (1, 3, 5))
    )
