"""A headless Chromium driven over its DevTools protocol, as far as tests need it."""

import asyncio
import base64
import itertools
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)  # fmt: skip
START_S = 30


class Page:
    """One tab; ``problems`` are its exceptions, errors and refused loads."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.problems: list[str] = []
        self.received_bytes = 0
        self.traced: list[dict[str, Any]] = []
        self.has_traced = asyncio.Event()

    async def listen(self) -> None:
        """Take the browser's messages until it ends."""
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            else:
                self._note(message["method"], message["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.problems.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Network.loadingFinished":
            self.received_bytes += int(params["encodedDataLength"])
        elif method == "Tracing.dataCollected":
            self.traced += params["value"]
        elif method == "Tracing.tracingComplete":
            self.has_traced.set()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a method of the protocol."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "method": method, "params": params}
        await self._connection.send(json.dumps(request))
        answer = await asyncio.wait_for(self._answers[number], 20)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def block(self, *patterns: str) -> None:
        """Let loads of these addresses fail."""
        await self.call("Network.enable")
        await self.call("Network.setBlockedURLs", urls=list(patterns))

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = await self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str, timeout_s: float = 20) -> Any:
        """Return the expression's value as soon as it is true."""
        deadline_s = time.monotonic() + timeout_s
        while not (value := await self.evaluate(expression)):
            if time.monotonic() > deadline_s:
                break
            await asyncio.sleep(0.05)
        assert value, f"{expression} stayed {value!r}; problems: {self.problems}"
        return value

    async def press(self, key: str, code: int) -> None:
        """Press and release a key that writes no text."""
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
            )

    async def picture(self, path: Path) -> None:
        """Store what is seen as a PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Page]:
    """Speak with a tab, or with the browser itself, at its DevTools address."""
    # A busy browser answers no pings for a while.
    options = {"max_size": None, "proxy": None, "ping_interval": None}
    async with connect(address, **options) as connection:
        page = Page(connection)
        listening = asyncio.create_task(page.listen())
        try:
            yield page
        finally:
            listening.cancel()


class Browser:
    """A running browser; ``address`` is that of its DevTools, `ws://host:port`."""

    def __init__(self, address: str, path: str) -> None:
        self.address = address
        self._path = path

    @asynccontextmanager
    async def tab(self, *, size: str = "1280,800") -> AsyncIterator[Page]:
        """Open an empty tab that shares nothing, no storage either, with others."""
        width, height = map(int, size.split(","))
        async with connected(self.address + self._path) as control:
            context = await control.call("Target.createBrowserContext")
            target = await control.call(
                "Target.createTarget",
                url="about:blank",
                width=width,
                height=height,
                newWindow=True,
                **context,
            )
            path = f"/devtools/page/{target['targetId']}"
            async with connected(self.address + path) as page:
                yield page
            await control.call("Target.disposeBrowserContext", **context)


@contextmanager
def running(
    program: list[str], profile: Path, *, environ: dict[str, str]
) -> Iterator[Browser]:
    """Start a browser; it ends with the context."""
    process = subprocess.Popen(
        [*program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Browser(*_find_devtools(process, profile))
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def browsing(
    program: list[str],
    profile: Path,
    *,
    environ: dict[str, str],
    size: str = "1280,800",
) -> AsyncIterator[Page]:
    """Start a browser of its own with one empty tab; it ends with the context."""
    with running(program, profile, environ=environ) as browser:
        async with browser.tab(size=size) as page:
            yield page


def _find_devtools(process: subprocess.Popen[bytes], profile: Path) -> tuple[str, str]:
    """Return address and path of DevTools, which the browser writes when it is up."""
    deadline_s = time.monotonic() + START_S
    file = profile / "DevToolsActivePort"
    while not (file.exists() and len(lines := file.read_text().split()) == 2):
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        assert time.monotonic() < deadline_s, "the browser did not come up"
        time.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}", lines[1]
