"""A client of the HTTP side without a socket: ASGI in, an answer out."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from config.accounts import make_accounts
from config.asgi import HttpApplication, make_rest
from history.rest_services import RestServices


class Answer:
    """What a request was answered; header names in any case."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        start, *parts = messages
        self.status_code: int = start["status"]
        self.headers = _Headers(start["headers"])
        self.parts = [part.get("body", b"") for part in parts]
        self.content = b"".join(self.parts)
        assert not parts[-1].get("more_body"), "the answer has no end"

    def json(self) -> Any:
        """Return the value of the body."""
        return json.loads(self.content)


class _Headers(dict[str, str]):
    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        super().__init__(
            (name.decode().lower(), value.decode("latin1")) for name, value in pairs
        )

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class RestClient:
    """Sends requests to an application of its own, in an event loop of its own."""

    def __init__(self, peer: str = "127.0.0.1") -> None:
        self._rest = make_rest(make_accounts())
        self._runner = asyncio.Runner()
        self._peer = peer

    @property
    def services(self) -> RestServices:
        """What the endpoints share, to be changed by a test."""
        return self._rest.services

    @property
    def statements(self) -> int:
        """How many statements were run."""
        return self.services.lookups.statements + self.services.reader.statements

    def get(self, address: str, query: Any = None, **headers: str) -> Answer:
        """Return the answer to GET; a header's name is written `If_None_Match`."""
        return self.request("GET", address, query, **headers)

    def request(
        self, method: str, address: str, query: Any = None, **headers: str
    ) -> Answer:
        """Return the answer to a request; ``address`` is quoted already."""
        path, _, text = address.partition("?")
        text = urlencode(query) if query else text
        scope = self._scope(method, path, text, headers)
        return self._runner.run(self._exchange(scope))

    def close(self) -> None:
        """Close all connections."""
        self._runner.run(self.services.close())
        self._runner.close()

    def _scope(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        # One id for all requests: so answers that should be equal are.
        named = {"x-request-id": "of-a-test", **headers}
        pairs = [(b"host", b"testserver")]
        for name, value in named.items():
            pairs.append((name.replace("_", "-").lower().encode(), value.encode()))
        return {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": pairs,
            "client": [self._peer, 50_000],
            "server": ["testserver", 80],
        }

    async def _exchange(self, scope: dict[str, Any]) -> Answer:
        messages: list[dict[str, Any]] = []
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not requests:
                await asyncio.Event().wait()
            return requests.pop()

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await HttpApplication(self._rest)(scope, receive, send)
        return Answer(messages)
