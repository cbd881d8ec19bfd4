"""`manage.py serve --only`, over real sockets."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from uuid import uuid4

import pytest
from django.conf import settings
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.marketdata.server_process import Client
from tests.marketdata.serving import serving

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"


async def ask(host: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Return status and body of an answer."""
    return await asyncio.to_thread(_ask, f"http://{host}{path}", method)


def _ask(address: str, method: str) -> tuple[int, bytes]:
    try:
        request = urllib.request.Request(address, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


async def test_only_ws_answers_http_with_404_but_for_health():
    async with serving("--only", "ws", CHANNEL_PREFIX=PREFIX) as server:
        async with connect(f"ws://{server.host}/") as connection:
            assert (await Client(connection).receive())["type"] == "status"
        answers = {
            (method, path): await ask(server.host, path, method)
            for method in ("GET", "POST")
            for path in ("/", "/api/metadata", "/admin/", "/static/x.js", "/healthy")
        }
        health = {
            path: await ask(server.host, path)
            for path in ("/health", "/healthz", "/readyz", "/metrics")
        }

    for (_, path), (status, body) in answers.items():
        assert status == 404
        assert json.loads(body) == {
            "error": "Endpoint not found",
            "code": "NOT_FOUND",
            "path": path,
        }
    assert all(body for _, body in health.values())
    assert 404 not in {status for status, _ in health.values()}
    assert health["/healthz"][0] == health["/metrics"][0] == 200


async def test_only_http_refuses_websockets():
    async with serving("--only", "http", CHANNEL_PREFIX=PREFIX) as server:
        for path in ("/", "/stream", "/gateway"):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(f"ws://{server.host}{path}")
            assert refusal.value.response.status_code == 403
        status, body = await ask(server.host, "/api/metadata")
        page, _ = await ask(server.host, "/static/admin/css/base.css")

        server.process.send_signal(signal.SIGTERM)
        assert await server.wait() == 0

    assert (status, json.loads(body)["code"]) == (503, "DATABASE_ERROR")
    assert page == 200


async def test_only_is_passed_on_to_processes():
    options = ("--only", "http", "--processes", "2")
    async with serving(*options, CHANNEL_PREFIX=PREFIX) as server:
        for _ in range(10):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(f"ws://{server.host}/")
            assert refusal.value.response.status_code == 403
