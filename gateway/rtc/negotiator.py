"""The negotiations of one call: its first offer, later ones, and trickle ICE fragments.

Keeps what has to be remembered between them: the newest agreement, our own ICE
credentials, the version of our description.  What fails changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import BadFragment, UnknownUfrag
from gateway.rtc import rtp
from gateway.rtc.fragment import make_fragment, parse_fragment
from gateway.rtc.ice import IceCredentials
from gateway.rtc.negotiation import LocalParameters, Negotiated, negotiate

CNAME = "livegate"


class Negotiator:
    """Our side of the offer/answer exchange (RFC 3264).

    ``candidates`` and ``fingerprint`` are ours for the life of the call, ``ssrc``
    is what we send.
    """

    def __init__(self, *, fingerprint: str, candidates: tuple[str, ...], ssrc: int) -> None:
        self.credentials = IceCredentials.make()
        self.agreed: Negotiated | None = None
        self._fingerprint = fingerprint
        self._candidates = candidates
        self._ssrc = ssrc
        self._session_id = rtp.random_ssrc()
        self._version = 0
        self._restart_answer: str | None = None  # if the newest restart came by a fragment

    @property
    def etag(self) -> str:
        """Names this generation of ICE credentials (RFC 9725 §4.3.1)."""
        return self.credentials.ufrag.encode().hex()

    @property
    def peer(self) -> IceCredentials:
        """The other side's credentials; there is an agreement."""
        assert self.agreed is not None
        return IceCredentials(self.agreed.ufrag, self.agreed.pwd)

    def take(self, offer: str) -> Negotiated:
        """Answer an offer.  New ICE credentials in a later one give us new ones, too.

        Raises :exc:`BadOffer` or :exc:`NoCommonCodec`.
        """
        agreed = negotiate(offer, self._local(self.credentials), self.agreed)
        if agreed.restarted:
            credentials = IceCredentials.make()
            agreed = negotiate(offer, self._local(credentials), self.agreed)
            self.credentials, self._restart_answer = credentials, None
        self._version += 1
        self.agreed = agreed
        return agreed

    def patch(self, text: str, *, may_restart: bool) -> tuple[str | None, bool]:
        """Trickle ICE or an ICE restart (RFC 9725 §4.3, RFC 8840).

        Returns the fragment that answers a restart, the same one when the request
        is repeated, or ``None`` for candidates, which a lite agent has no use for;
        and whether the credentials are new.  Raises :exc:`BadFragment` or
        :exc:`UnknownUfrag`.
        """
        wanted = parse_fragment(text)
        if self.agreed is None:
            raise BadFragment("the call has no connection")
        if wanted.ufrag == self.agreed.ufrag:
            return (self._restart_answer if may_restart else None), False
        if not may_restart:
            raise UnknownUfrag(
                "The fragment's a=ice-ufrag is not of the offer or the last restart."
            )
        self.credentials = IceCredentials.make()
        self.agreed = replace(self.agreed, ufrag=wanted.ufrag, pwd=wanted.pwd)
        self._restart_answer = make_fragment(
            self.credentials.ufrag,
            self.credentials.pwd,
            self._candidates,
            mid=_transport_mid(self.agreed.answer),
        )
        return self._restart_answer, True

    def _local(self, credentials: IceCredentials) -> LocalParameters:
        return LocalParameters(
            ufrag=credentials.ufrag,
            pwd=credentials.pwd,
            fingerprint=self._fingerprint,
            candidates=self._candidates,
            ssrc=self._ssrc,
            cname=CNAME,
            session_id=self._session_id,
            session_version=self._version + 1,
        )


def _transport_mid(answer: str) -> str:
    """Of the section that carries the candidates."""
    _, *sections = answer.split("\r\nm=")
    carrier = next(section for section in sections if "\r\na=end-of-candidates" in section)
    return carrier.partition("\r\na=mid:")[2].partition("\r\n")[0]
