"""The service's side of the Live wire, with no key and no network.  Reached by URL only."""

from __future__ import annotations

from gateway.live.local.reply import Call, Closing
from gateway.live.local.script import Rule, Script
from gateway.live.local.server import LocalLiveServer
from gateway.live.local.switches import Switches

__all__ = ["Call", "Closing", "LocalLiveServer", "Rule", "Script", "Switches"]
