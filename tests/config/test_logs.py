import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from config.logs import configure_logs, without_tokens
from marketdata.credentials import encode_api_key
from tests.marketdata.server_process import ROOT, SERVE

TOKEN = encode_api_key(bytes(range(32)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /?token=abc HTTP/1.1", "GET /?token=... HTTP/1.1"),
        ("'/?a=b&token=abc&c=d'", "'/?a=b&token=...&c=d'"),
        ('"/?token=abc" [accepted]', '"/?token=..." [accepted]'),
        ("no tokens here", "no tokens here"),
    ],
)
def test_without_tokens_leaves_the_rest(line, expected):
    assert without_tokens(None, "info", line) == expected


def test_lines_of_libraries_have_no_tokens():
    code = (
        "import logging; from config.logs import configure_logs; "
        "configure_logs('INFO'); "
        "logging.getLogger('uvicorn').info('GET %s', '/?token=abcdef&x=1')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "GET /?token=...&x=1" in done.stderr
    assert "abcdef" not in done.stderr


def test_token_of_an_address_reaches_no_log(tmp_path):
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, *SERVE],
            cwd=ROOT,
            stdout=file,
            stderr=file,
            env={
                **os.environ,
                "LOG_LEVEL": "DEBUG",
                "ALLOWED_HOSTS": "127.0.0.1",
                "CHANNEL_PREFIX": f"{settings.CHANNEL_PREFIX}-logs",
            },
        )
    try:
        url = address_in(log)
        for path in ("/", "/stream", "/gateway", "/binance/ws"):
            show_token(f"{url}{path}?token={TOKEN}")
        for path in ("/api/metadata", "/api/nothing", "/nothing", "/admin/"):
            ask(url, f"{path}?token={TOKEN}")
    finally:
        server.terminate()
        assert server.wait(60) == 0
    text = log.read_text()

    assert "listening on" in text
    assert TOKEN[4:] not in text


def address_in(log) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith("listening on "):
                return line.split()[-1].rstrip("/")
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def show_token(address: str) -> None:
    """Connect and send a frame; whatever the server thinks of it."""
    with contextlib.suppress(WebSocketException, TimeoutError), connect(address) as ws:
        ws.send("{")
        ws.recv(timeout=1)


def ask(url: str, path: str) -> None:
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        client.request("GET", path)
        client.getresponse().read()
    finally:
        client.close()


def test_json_lines_are_objects_without_secrets_and_with_context():
    code = (
        "import structlog; from config.logs import configure_logs; "
        "configure_logs('INFO', 'json'); "
        "structlog.contextvars.bind_contextvars(request='r1'); "
        "structlog.get_logger('x').error('bad', at='/?token=\"abc', n=3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    line = json.loads(done.stderr)
    assert (line["event"], line["level"], line["request"]) == ("bad", "error", "r1")
    assert (line["at"], line["n"]) == ('/?token="abc', 3)


def test_unknown_form_of_lines_is_named():
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT: expected .*'xml'"):
        configure_logs("INFO", "xml")


def test_unknown_level_is_named():
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL: expected DEBUG.*'LOUD'"):
        configure_logs("LOUD")
