"""A headless Chromium driven over its DevTools protocol, as far as tests need it."""

import asyncio
import base64
import itertools
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)  # fmt: skip


class Page:
    """One tab; ``problems`` are its exceptions, errors and refused loads."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.problems: list[str] = []
        self.received_bytes = 0

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
async def browsing(
    program: list[str],
    profile: Path,
    *,
    environ: dict[str, str],
    size: str = "1280,800",
) -> AsyncIterator[Page]:
    """Start a browser with one empty tab; it ends with the context."""
    process = await asyncio.create_subprocess_exec(
        *program,
        *FLAGS,
        f"--window-size={size}",
        f"--user-data-dir={profile}",
        "about:blank",
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        address = await asyncio.wait_for(_find_tab(process), 30)
        async with connect(address, max_size=None, proxy=None) as connection:
            page = Page(connection)
            listening = asyncio.create_task(page.listen())
            yield page
            listening.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _find_tab(process: asyncio.subprocess.Process) -> str:
    """Return the address of the tab, from what the browser says when it is up."""
    said = []
    while line := (await process.stderr.readline()).decode():
        said.append(line)
        if found := re.search(r"ws://(\S+?)/devtools/browser", line):
            break
    else:
        raise AssertionError("the browser ended: " + "".join(said))
    async with connect(
        re.search(r"ws://\S+", line)[0], max_size=None, proxy=None
    ) as browser:
        await browser.send('{"id":1,"method":"Target.getTargets"}')
        while (answer := json.loads(await browser.recv())).get("id") != 1:
            pass
    targets = answer["result"]["targetInfos"]
    tab = next(item["targetId"] for item in targets if item["type"] == "page")
    return f"ws://{found[1]}/devtools/page/{tab}"
