"""The errors of the gateway, arranged by what the one who catches them can do.

    GatewayError
    ├── ConfigError               a setting: names the variable and the form expected
    ├── CallError                 what a client asked cannot be done
    │   ├── BadOffer              the SDP is not an offer this gateway can answer
    │   ├── NoCommonCodec         no audio codec in common
    │   ├── BadFragment           the text is no trickle ICE fragment
    │   ├── UnknownUfrag          a fragment of credentials that nobody has
    │   ├── StaleEtag             ICE was restarted meanwhile
    │   ├── CannotChange          the WebRTC engine cannot do this to an open connection
    │   ├── CallEnded             the call is remembered, and over
    │   ├── UnknownCall           no such call, or one that is forgotten
    │   ├── TooManyCalls          the limit of open calls is reached: try later
    │   └── Draining              the gateway is stopping: try elsewhere
    ├── LiveError                 the live session: `code` is stable, the text is for people
    │   ├── LiveUnreachable       name, address, TLS or time limit: may work later
    │   ├── LiveUnauthorized      credentials: never works until they change
    │   ├── LiveRefused           the set-up: never works until it changes
    │   └── LiveClosed            an open session was closed, with the service's code and reason
    └── ProtocolError             the order or form of Live messages was broken
        ├── LocalProtocolError    by us: a bug here
        └── RemoteProtocolError   by them

An error is what others did.  A broken assumption of ours is an ``assert`` with
its reason; it ends the call with reason ``bug``, never the process.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Whatever the gateway can be blamed with, or blames others for."""


class ConfigError(GatewayError):
    """A setting cannot be used; the text names the variable and the form expected."""


class CallError(GatewayError):
    """A client's request about a call cannot be carried out."""


class BadOffer(CallError):
    """The body is not an SDP offer that can be answered; the text says what is missing."""


class NoCommonCodec(CallError):
    """The offer has audio, but in no codec the gateway speaks."""


class BadFragment(CallError):
    """The body is not a trickle ICE fragment, or lacks the credentials it speaks of."""


class UnknownUfrag(CallError):
    """The fragment's credentials are not those of the client, and no restart was asked for."""


class StaleEtag(CallError):
    """The request speaks of a generation of ICE credentials that is no longer the call's."""


class CannotChange(CallError):
    """The WebRTC engine can neither restart ICE nor renegotiate."""


class CallEnded(CallError):
    """The call has ended; it can be looked at and not changed."""


class UnknownCall(CallError):
    """No call has this id, or it ended too long ago to be remembered."""


class TooManyCalls(CallError):
    """As many calls are open as the gateway was told to take."""


class Draining(CallError):
    """The gateway is stopping and takes no new calls."""


class LiveError(GatewayError):
    """The live session could not be opened, or was closed.

    ``close_code`` is the WebSocket close code or HTTP status the service gave,
    ``None`` when it gave none; ``close_reason`` is the text that came with it.
    """

    code = "live_error"

    def __init__(
        self, message: str, *, close_code: int | None = None, close_reason: str = ""
    ) -> None:
        super().__init__(message)
        self.close_code = close_code
        self.close_reason = close_reason


class LiveUnreachable(LiveError):
    """The service did not answer: name, address, TLS or time limit."""

    code = "live_unreachable"


class LiveUnauthorized(LiveError):
    """The service does not accept the credentials."""

    code = "live_unauthorized"


class LiveRefused(LiveError):
    """The service does not accept the set-up, or stopped it before it was complete."""

    code = "live_refused"


class LiveClosed(LiveError):
    """The service closed a session that was open."""

    code = "live_closed"


class ProtocolError(GatewayError):
    """A Live message came out of order or in a form it cannot have."""


class LocalProtocolError(ProtocolError):
    """The gateway broke the protocol: a bug here."""


class RemoteProtocolError(ProtocolError):
    """The service broke the protocol."""
