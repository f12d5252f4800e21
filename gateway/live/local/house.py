"""What all live sessions of one server share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from gateway.live.catalog import Catalog
from gateway.live.local.handles import Handles
from gateway.live.local.hearing import Hearing
from gateway.live.local.script import Script
from gateway.live.local.settings import Detection
from gateway.live.local.switches import Switches


@dataclass(frozen=True, slots=True)
class House:
    """``clock`` is the time of day the model tells; ``hearing`` makes a session's ear."""

    switches: Switches
    catalog: Catalog
    handles: Handles
    random: Random
    clock: Callable[[], datetime] = datetime.now
    script: Script = Script()
    hearing: Callable[[Detection], Hearing] = Hearing
