"""A headless Chromium, driven over its DevTools protocol: what a page holds, what it logs, how it looks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]
PATIENCE_SECONDS = 30.0


class Page:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.problems: list[str] = []
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            if waiting := self._answers.pop(message.get("id", 0), None):
                waiting.set_result(message)
            elif message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(json.dumps(message["params"]["exceptionDetails"])[:500])
            elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.problems.append(json.dumps(message["params"]["entry"])[:500])

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        answer = await asyncio.wait_for(self._answers[number], PATIENCE_SECONDS)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    async def open(self, url: str) -> None:
        """Open an address."""
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")
        await self.send("Page.navigate", url=url)

    async def get(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def text(self, selector: str) -> str:
        """Return the text of the first element that a selector finds, empty without one."""
        return await self.get(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    async def until(self, expression: str, what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return as soon as an expression is true; fail with what should have been."""
        give_up = time.monotonic() + seconds
        while not await self.get(f"Boolean({expression})"):
            assert time.monotonic() < give_up, f"{what}; the page: {await self.text('body')}"
            await asyncio.sleep(0.1)

    async def look(self, *, width: int, height: int, dark: bool = False, still: bool = False) -> None:
        """Give the page a size, a colour scheme and the wish for less motion."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def shoot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        shot = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def browsing(*flags: str) -> AsyncIterator[Page]:
    """Start a browser with an empty profile and further flags, and give its page."""
    profile = Path(tempfile.mkdtemp(prefix="om-chromium-"))
    process = start([CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"], profile / "browser.log")
    try:
        async with aiohttp.ClientSession() as session:
            port = await asyncio.to_thread(devtools_port, profile / "DevToolsActivePort")
            async with session.get(f"http://127.0.0.1:{port}/json") as reply:
                target = next(one for one in await reply.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(profile, ignore_errors=True)


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


def devtools_port(path: Path) -> int:
    """Wait until the browser tells its port."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (path.exists() and path.read_text().count("\n") >= 1):
        assert time.monotonic() < give_up, "the browser did not start"
        time.sleep(0.05)
    return int(path.read_text().split("\n")[0])
