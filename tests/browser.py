"""Headless Chromium with one page, driven over its DevTools protocol. It knows no phones. Not a test itself."""

import asyncio
import contextlib
import functools
import http.server
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
READY_SECONDS = 30.0
ANSWER_SECONDS = 30.0
ANSWER_BYTES = 16 << 20
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-extensions --disable-default-apps --disable-dev-shm-usage"
    " --disable-background-timer-throttling --ignore-certificate-errors --remote-debugging-port=0"
    " --use-fake-device-for-media-stream --use-fake-ui-for-media-stream --allow-loopback-in-peer-connection"
    " --autoplay-policy=no-user-gesture-required"
)


class Page:
    """`value = await page.run("await something()")`: the value of an expression, as JSON has it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.said: list[str] = []  # on its console
        self._numbers = itertools.count(1)

    async def run(self, expression: str) -> Any:
        """Raises AssertionError with what the page threw."""
        wrapped = f"(async () => {expression})()"
        answer = await self.ask(
            "Runtime.evaluate", expression=wrapped, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, (answer["exceptionDetails"], self.said[-30:])
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 10.0) -> Any:
        """Until it is true; its value."""
        deadline = time.monotonic() + seconds
        while not (value := await self.run(expression)):
            assert time.monotonic() < deadline, (expression, self.said[-30:])
            await asyncio.sleep(0.05)
        return value

    async def ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                told = json.loads(await self.socket.recv())
                if told.get("method") == "Runtime.consoleAPICalled":
                    words = (str(one.get("value", "")) for one in told["params"]["args"])
                    self.said.append(" ".join(words))
                if told.get("id") == number:
                    assert "error" not in told, told
                    return told["result"]


class Browser:
    """A running Chromium."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    @asynccontextmanager
    async def page(self, url: str) -> AsyncIterator[Page]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/json/new?{url}", method="PUT"
        )
        with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
            about = json.load(answer)
        async with connect(about["webSocketDebuggerUrl"], max_size=ANSWER_BYTES) as socket:
            page = Page(socket)
            await page.ask("Runtime.enable")
            await page.until("document.readyState === 'complete' && location.protocol === 'http:'")
            yield page

    def kill(self) -> None:
        """As a crash or a closed lid does: nothing is said to anybody."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def browser(base: Path, *flags: str) -> Iterator[Browser]:
    """A Chromium with a profile of its own below `base`."""
    profile = base / "chromium"
    words = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", *flags, "about:blank"]
    with (base / "chromium.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    running = None
    try:
        running = Browser(process, _port(profile / "DevToolsActivePort", base / "chromium.log"))
        yield running
    finally:
        (running or Browser(process, 0)).kill()


def _port(file: Path, log: Path) -> int:
    deadline = time.monotonic() + READY_SECONDS
    while not (file.exists() and "\n" in file.read_text()):
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.02)
    return int(file.read_text().split()[0])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder on loopback; their origin."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass
