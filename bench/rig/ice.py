"""The controlling side's connectivity checks, as messages (RFC 8445 §7, RFC 8489)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from aioice import stun

_PRIORITY = 1862270975  # a peer-reflexive candidate of component 1


def is_stun(datagram: bytes) -> bool:
    """Whether the first byte says so (RFC 7983 §7)."""
    return bool(datagram) and datagram[0] < 4


@dataclass(slots=True)
class Checks:
    """Both sides' credentials, and one check at a time.

    Every request nominates (``USE-CANDIDATE``): there is one pair.  Times are seconds of a
    monotonic clock.
    """

    local_ufrag: str = field(default_factory=lambda: secrets.token_hex(4))
    local_pwd: str = field(default_factory=lambda: secrets.token_hex(16))
    remote_ufrag: str = ""
    remote_pwd: str = ""
    answered_s: float | None = None  # when the newest answer to a request of ours came
    _tie_breaker: int = field(default_factory=lambda: secrets.randbits(64))
    _asked: bytes = b""

    def request(self) -> bytes:
        """A binding request.  The next response must be to this one or a repetition."""
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{self.remote_ufrag}:{self.local_ufrag}"
        message.attributes["PRIORITY"] = _PRIORITY
        message.attributes["ICE-CONTROLLING"] = self._tie_breaker
        message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(self.remote_pwd.encode())
        self._asked = message.transaction_id
        return bytes(message)

    def receive(self, datagram: bytes, source: tuple[str, int], now: float) -> bytes | None:
        """Take a STUN datagram; the answer to send to ``source``, if it asks for one.

        What is not authentic is dropped without a word.
        """
        try:
            message = stun.parse_message(datagram)
        except ValueError:
            return None
        if message.message_class is stun.Class.RESPONSE:
            authentic = message.check_message_integrity(self.remote_pwd.encode())
            if authentic and message.transaction_id == self._asked:
                self.answered_s = now
            return None
        if message.message_class is not stun.Class.REQUEST:
            return None
        if not message.check_message_integrity(self.local_pwd.encode()):
            return None
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = source
        answer.add_message_integrity(self.local_pwd.encode())
        return bytes(answer)
