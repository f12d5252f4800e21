"""Debian's Chromium with a WAV file as its microphone, on our own page."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.async_api import Page, async_playwright

from tests.support.audio import Samples, level_dbfs

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
HEARD_HZ = 48000

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
]

# Reads the decoded remote track, 10 ms at a time, with the time of day of each piece.
_RECORDER = """
(track) => {
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const heard = { pieces: [], at: [] };
  window.heard = heard;
  (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      heard.pieces.push(samples);
      heard.at.push((performance.timeOrigin + performance.now()) / 1000);
      value.close();
    }
  })();
}
"""

_COLLECT = """
() => {
  const { pieces, at } = window.heard;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const all = new Int16Array(length);
  const starts = [];
  let offset = 0;
  for (const piece of pieces) {
    starts.push(offset);
    for (let i = 0; i < piece.length; i++) {
      all[offset++] = Math.max(-1, Math.min(1, piece[i])) * 32767;
    }
  }
  const bytes = new Uint8Array(all.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return { pcm: btoa(text), starts, at };
}
"""


@dataclass
class Heard:
    """What the browser played: samples at 48 kHz, and when each piece of them came."""

    samples: Samples
    starts: list[int]
    at_s: list[float]

    def last_loud_s(self, *, before_s: float, floor_dbfs: float = -50.0) -> float:
        """Time of day of the last piece above the floor that came before a time."""
        ends = [*self.starts[1:], len(self.samples)]
        loud = [
            at
            for start, end, at in zip(self.starts, ends, self.at_s, strict=True)
            if at < before_s and level_dbfs(self.samples[start:end]) > floor_dbfs
        ]
        return max(loud, default=0.0)


async def start_recording(page: Page) -> None:
    """Record what the page's call plays from now on."""
    await page.wait_for_function(
        "() => window.livegate.call?.remoteStream?.getAudioTracks().length"
    )
    await page.evaluate(f"({_RECORDER})(window.livegate.call.remoteStream.getAudioTracks()[0])")


async def recording(page: Page) -> Heard:
    result = await page.evaluate(_COLLECT)
    samples = np.frombuffer(base64.b64decode(result["pcm"]), "<i2").astype(np.float64)
    return Heard(samples, result["starts"], result["at"])


@contextlib.asynccontextmanager
async def chromium_page(
    microphone: Path | None = None,
    *,
    refuse: bool = False,
    may_say: str | None = None,
    **context: object,
) -> AsyncIterator[Page]:
    """A page in a fresh browser.

    ``microphone`` is a WAV file, played once from when the page opens the
    microphone; ``refuse`` makes the browser say no.  Errors of the page's own
    script fail the test, except lines of the console with ``may_say`` in them.
    """
    assert CHROMIUM, "Chromium is not installed; `make test` installs it"
    flags = list(_FLAGS)
    if microphone is not None:
        flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    flags.append("--deny-permission-prompts" if refuse else "--use-fake-ui-for-media-stream")
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=flags
        )
        try:
            page = await (await browser.new_context(**context)).new_page()  # type: ignore[arg-type]
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on(
                "console",
                lambda line: errors.append(line.text) if line.type == "error" else None,
            )
            yield page
        finally:
            await browser.close()
    unexpected = [error for error in errors if may_say is None or may_say not in error]
    assert unexpected == [], "the page's script had errors"
