"""Which of the uncertain switches a far end has: printed, and for the local one, checked."""

from __future__ import annotations

from dataclasses import fields

import pytest

from gateway.live.endpoint import Service
from gateway.live.local import Switches
from tests.contract.far_end import FarEnd, local_far_end
from tests.contract.observe import observe

pytestmark = pytest.mark.contract

# What `auto` comes to with the default models: 3.8 on dev, 2.5 on vertex.
_AUTO: dict[Service, dict[str, str]] = {
    "dev": {
        "session_id": "false",
        "bundle": "true",
        "input_transcript": "final",
        "output_transcript_order": "with",
        "usage": "dev",
    },
    "vertex": {
        "session_id": "true",
        "bundle": "false",
        "input_transcript": "deltas",
        "output_transcript_order": "before",
        "usage": "vertex",
    },
}


async def test_the_switches_of_a_far_end_are_found_out(
    far_end: FarEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = await observe(far_end)
    with capsys.disabled():
        if not far_end.local:
            print(f"\n{far_end.name}")
            for name, value in seen.items():
                print(f"  {name} = {value}")
    if far_end.local:
        assert_like(seen, Switches(), far_end.service)
        assert seen["second_setup"] == "1007 Request contains an invalid argument."


@pytest.mark.parametrize("service", ["dev", "vertex"])
async def test_switches_that_are_turned_are_found_out_too(service: Service) -> None:
    switches = Switches(
        frame_type="text",
        deflate=True,
        session_id="always" if service == "dev" else "never",
        chunk_ms=100,
        chunk_spread=0.0,
        burst_factor=8.0,
        bundle="never" if service == "dev" else "always",
        input_transcript="deltas" if service == "dev" else "final",
        input_transcript_order="after",
        output_transcript_order="after",
        transcript_finished=True,
        turn_complete="at_once",
        interrupted_order="same_frame",
        usage="vertex" if service == "dev" else "dev",
        usage_alone=True,
        tool_ids=False,
        unresumable_updates=False,
        empty_frames_every=5,
    )
    async with local_far_end(service, switches=switches) as far_end:
        seen = await observe(far_end)
    assert_like(seen, switches, service)
    assert int(seen["empty_frames"]) > 5


def assert_like(seen: dict[str, str], switches: Switches, service: Service) -> None:
    """What was seen is what the switches say, as far as it can be seen."""
    for item in fields(switches):
        if item.name not in seen:
            continue
        value = getattr(switches, item.name)
        match item.name:
            case "chunk_ms":
                assert float(seen[item.name]) == pytest.approx(value, rel=0.25)
            case "burst_factor":
                assert float(seen[item.name]) == pytest.approx(value, rel=0.3)
            case _:
                words = {"always": "true", "never": "false", True: "true", False: "false"}
                expected = _AUTO[service][item.name] if value == "auto" else words.get(value, value)
                assert seen[item.name] == expected, item.name
