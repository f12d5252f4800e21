"""ICE-lite: answer a peer's connectivity checks and know where to send (RFC 8445 §2.5).

A lite agent sends no checks.  It learns of a path when a signed request comes by it, and
chooses among the paths it knows by what the peer does:

* the first valid check selects, so that DTLS can begin;
* a nomination (USE-CANDIDATE) selects, the newest wins;
* a plain check does not move the call, since browsers check all their pairs all the time,
  unless the selected path has been silent for ``QUIET_S``;
* media moves the call, when it comes by a path that was checked, and the selected one has
  carried none for ``MEDIA_GAP_S``: a NAT that chose another port, a consent check that
  came without USE-CANDIDATE.

Peers receive on every path they have checked, so a move that proves hasty costs nothing
but the way back.  Consent (RFC 7675) is the full agent's business.  No I/O and no clock.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.rtc.stun import (
    BAD_REQUEST,
    ROLE_CONFLICT,
    UNAUTHENTICATED,
    UNKNOWN_ATTRIBUTE,
    Request,
    failure,
    is_keepalive,
    is_stun,
    local_ufrag,
    parse_request,
    success,
)

__all__ = ["IceAgent", "IceCredentials", "PathT", "is_stun", "local_ufrag"]

LOST_S = 6.0  # nothing authenticated for so long: the peer is gone
QUIET_S = 3.0  # longer than between two of Chromium's consent checks (2.5 s)
MEDIA_GAP_S = 0.5  # longer than between two packets of Opus DTX (400 ms)
MAX_PATHS = 8
MAX_TRANSACTIONS = 128

# Where a datagram came from and an answer goes: a socket with an address, or a TCP connection.
PathT = TypeVar("PathT")

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """One side's user name fragment and password, as in ``a=ice-ufrag`` and ``a=ice-pwd``."""

    ufrag: str
    pwd: str = field(repr=False)

    @classmethod
    def make(cls) -> IceCredentials:
        """New ones: 48 and 144 random bits, in characters of RFC 8839 §5.4."""
        ufrag = base64.b64encode(secrets.token_bytes(6)).decode()
        return cls(ufrag, base64.b64encode(secrets.token_bytes(18)).decode())


class _Pair(Generic[PathT]):
    """A path that carried a valid check: when, with which credentials, and what else came."""

    __slots__ = ("checked_at", "heard_at", "local", "nominated_at", "path")

    def __init__(self, path: PathT, local: IceCredentials) -> None:
        self.path = path
        self.local = local
        self.checked_at = self.nominated_at = self.heard_at = _NEVER

    @property
    def alive_at(self) -> float:
        return max(self.checked_at, self.heard_at)


class IceAgent(Generic[PathT]):
    """One peer connection's ICE.  Times are seconds of one monotonic clock.

    Give every STUN message to ``receive`` and send what it returns back by the same path;
    tell ``heard`` of every packet that proved itself otherwise (SRTP, DTLS once verified);
    send media to ``selected``, ``None`` until the first check.  Nothing from the network
    makes it raise.  ``checks`` counts requests that were good, ``refused`` those answered
    by an error, ``dropped`` messages that got no answer.
    """

    def __init__(self, local: IceCredentials, remote: IceCredentials, *, now: float) -> None:
        self.local = local
        self.remote = remote  # never needed to check anything; tells a restart from a repetition
        self.selected: PathT | None = None
        self.checks = self.refused = self.dropped = 0
        self._previous: IceCredentials | None = None
        self._pairs: dict[PathT, _Pair[PathT]] = {}
        self._pair: _Pair[PathT] | None = None  # that of `selected`
        self._transactions: dict[bytes, None] = {}  # the newest, in order
        self._alive_at = now

    @property
    def ufrags(self) -> tuple[str, ...]:
        """The local fragments that are good now: two while a restart is under way."""
        if self._previous is None:
            return (self.local.ufrag,)
        return (self.local.ufrag, self._previous.ufrag)

    def receive(
        self, datagram: bytes, path: PathT, address: tuple[str, int], now: float
    ) -> bytes | None:
        """The response to send back by ``path``, or ``None``.

        ``address`` is the source as the socket saw it (host, port), IPv4 or IPv6.
        """
        request = parse_request(datagram)
        if request is None:
            self.dropped += not is_keepalive(datagram)
            return None
        if request.username is None or request.integrity is None:
            return self._refuse(request, BAD_REQUEST, None)
        local = self._credentials_of(request.username)
        if local is None:
            return self._refuse(request, UNAUTHENTICATED, None)
        key = local.pwd.encode()
        if not request.is_signed_with(key):
            return self._refuse(request, UNAUTHENTICATED, None)
        if request.unknown:
            return self._refuse(request, UNKNOWN_ATTRIBUTE, key)
        if request.is_controlled:
            # RFC 8445 §6.1.1: opposite a full agent the lite one is controlled, always.  We
            # decide as if our tie-breaker were the smaller one, and the peer changes its role.
            return self._refuse(request, ROLE_CONFLICT, key)
        self.checks += 1
        self._note(request, local, path, now)
        return success(request.transaction_id, address, key)

    def heard(self, path: PathT, now: float) -> None:
        """A packet that proved itself (SRTP, DTLS) came by this path."""
        self._alive_at = now
        current = self._pair
        if current is not None and path == current.path:
            current.heard_at = now
            return
        pair = self._pairs.get(path)
        if pair is None:
            return  # nobody vouched for this way back yet
        pair.heard_at = now
        if current is None or now - max(current.heard_at, current.nominated_at) >= MEDIA_GAP_S:
            self._select(pair)

    def restart(self, local: IceCredentials, remote: IceCredentials, now: float) -> None:
        """New credentials (RFC 8445 §9); the old ones and their path stay good for a while.

        That is until a path checked with the new ones is selected.
        """
        # Of several restarts in a row, the generation that carries the call is the old one.
        old = self.local if self._pair is None else self._pair.local
        self._pairs = {path: pair for path, pair in self._pairs.items() if pair.local is old}
        self._previous = old
        self.local, self.remote = local, remote
        self._alive_at = now

    def forget(self, path: PathT) -> None:
        """The way is closed for good (a TCP connection ended); the liveliest other is selected."""
        pair = self._pairs.pop(path, None)
        if pair is None or pair is not self._pair:
            return
        self._pair = self.selected = None
        if self._pairs:
            self._select(max(self._pairs.values(), key=lambda other: other.alive_at))

    def has_checked(self, path: PathT) -> bool:
        """Whether a valid check came by this path, so that it is the peer's."""
        return path in self._pairs

    def is_lost(self, now: float) -> bool:
        """Nothing authenticated for ``LOST_S``, by any path, since the beginning or a restart."""
        return now >= self.deadline()

    def deadline(self) -> float:
        """When ``is_lost`` becomes true if nothing comes."""
        return self._alive_at + LOST_S

    def _credentials_of(self, username: str) -> IceCredentials | None:
        # RFC 8445 §7.3: the part before the colon has to be ours; the rest is the peer's affair.
        ufrag, colon, _ = username.partition(":")
        if not colon:
            return None
        if ufrag == self.local.ufrag:
            return self.local
        if self._previous is not None and ufrag == self._previous.ufrag:
            return self._previous
        return None

    def _refuse(self, request: Request, code: int, key: bytes | None) -> bytes:
        self.refused += 1
        return failure(request.transaction_id, code, key, request.unknown if key else ())

    def _note(self, request: Request, local: IceCredentials, path: PathT, now: float) -> None:
        """Learn from a valid check.

        One that was seen before is a retransmission, or somebody's copy of what he
        overheard; it is answered, but it proves nothing about now, or about here.
        """
        if request.transaction_id in self._transactions:
            return
        if len(self._transactions) >= MAX_TRANSACTIONS:
            del self._transactions[next(iter(self._transactions))]
        self._transactions[request.transaction_id] = None
        self._alive_at = now
        pair = self._pair_for(path, local)
        pair.checked_at = now
        if request.nominates:
            pair.nominated_at = now
            self._select(pair)
        elif self._pair is None or pair is self._pair or now - self._pair.alive_at >= QUIET_S:
            self._select(pair)

    def _pair_for(self, path: PathT, local: IceCredentials) -> _Pair[PathT]:
        pair = self._pairs.get(path)
        if pair is None:
            if len(self._pairs) >= MAX_PATHS:
                others = [other for other in self._pairs.values() if other is not self._pair]
                del self._pairs[min(others, key=lambda other: other.alive_at).path]
            pair = self._pairs[path] = _Pair(path, local)
        elif local is self.local:
            pair.local = local
        return pair

    def _select(self, pair: _Pair[PathT]) -> None:
        self._pair, self.selected = pair, pair.path
        if self._previous is not None and pair.local is self.local:
            self._previous = None
            self._pairs = {
                path: other for path, other in self._pairs.items() if other.local is self.local
            }
