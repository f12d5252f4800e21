"""The processes of a measurement: started on their cores, spoken to in JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway.live.local.tls import self_signed

ROOT = Path(__file__).parents[2]
START_S = 30.0
ENGINES = ("native", "aiortc", "textbook")


class BenchError(Exception):
    """A measurement cannot go on; the text is for the person who runs it."""


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """What is started within runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """A process of ours.  Its standard error goes to ``log``."""

    def __init__(
        self,
        arguments: Sequence[str],
        cores: set[int],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        self._name = arguments[1] if arguments[0] == "-m" else arguments[0]
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with pinned(cores), log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=None if environment is None else dict(environment),
                text=True,
                start_new_session=True,  # Ctrl-C is for the measurement, which stops them all
            )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def say(self, **command: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self.ended() from None

    def ask(
        self, *, timeout_s: float = START_S, wanted: str = "", **command: Any
    ) -> dict[str, Any]:
        """The answer to a command; ``wanted`` is in it, and what comes before is passed over."""
        self.say(**command)
        while wanted not in (answer := self.answer(timeout_s)) and wanted:
            pass
        return answer

    def answer(self, timeout_s: float = START_S) -> dict[str, Any]:
        """The next line it says.  Raises :exc:`BenchError` if it has ended or says nothing."""
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise BenchError(f"{self._name} said nothing for {timeout_s:.0f} s") from None
        if answer is None:
            raise self.ended()
        return answer

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, politely at first."""
        if self.is_alive():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def ended(self) -> BenchError:
        """The error that says that it is gone, with its last words."""
        tail = self._log.read_text(errors="replace").strip().splitlines()[-8:]
        return BenchError("\n  ".join([f"{self._name} has ended:", *tail]))


class Rig:
    """Certificate, far end and gateway of one run; a context manager."""

    def __init__(
        self,
        engine: str,
        *,
        cores: tuple[set[int], set[int]],
        calls: int = 10,
        sink_options: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        gateway: str = "gateway",
    ) -> None:
        self._engine = engine
        self._module = "bench.textbook" if engine == "textbook" else gateway
        self._gateway_cores, self.other_cores = cores
        self._calls = calls
        self._sink_options = sink_options
        self._settings = settings or {}
        self._stack = contextlib.ExitStack()
        self.url = ""

    def __enter__(self) -> Rig:
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            certificate = self.folder / "certificate.pem"
            key = self.folder / "key.pem"
            made = self_signed()
            certificate.write_bytes(made.certificate)
            key.touch(mode=0o600)
            key.write_bytes(made.key)
            arguments = [str(certificate), str(key), *self._sink_options]
            self.sink = stack.enter_context(self.child("bench.rig.sink", *arguments))
            port = self.sink.answer()["port"]
            self.gateway = stack.enter_context(self._start_gateway(port, certificate))
            self._wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def child(self, module: str, *arguments: str) -> Child:
        """Another process on the cores that are not the gateway's."""
        return Child(["-m", module, *arguments], self.other_cores, self.folder / f"{module}.log")

    def _start_gateway(self, sink_port: int, certificate: Path) -> Child:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LIVEGATE_", "GOOGLE_", "GEMINI_"))
        }
        environment |= {
            "SSL_CERT_FILE": str(certificate),
            "LIVEGATE_LIVE_URL": f"wss://127.0.0.1:{sink_port}",
            "LIVEGATE_PEER": self._engine,
            "LIVEGATE_GREETING": "off",
            "LIVEGATE_MAX_CALLS": str(self._calls + 10),
            "LIVEGATE_LOG_LEVEL": "warning",
            "LIVEGATE_PORT": str(port),
            "LIVEGATE_MEDIA_PORT": "0",
        } | dict(self._settings)
        arguments = ["-m", self._module] + ([] if self._engine == "textbook" else ["serve"])
        log = self.folder / "gateway.log"
        return Child(arguments, self._gateway_cores, log, environment)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=1.0):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                if not self.gateway.is_alive():
                    raise self.gateway.ended() from None
                time.sleep(0.1)
        raise BenchError(f"the gateway did not answer at {self.url} within {START_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
