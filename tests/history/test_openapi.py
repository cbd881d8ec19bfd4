"""COMPAT check 35: the description is valid, complete, and what is answered."""

import contextlib
import json
import re
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import validate as jsonschema_validate

from history.clients import Client as RestClientFacts
from marketdata.clients import Plan
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.rest_client import Answer


@pytest.fixture(scope="module")
def document():
    """The OpenAPI document, as it is served."""
    generator = SchemaGenerator(urlconf="config.rest_urls")
    return generator.get_schema(request=None, public=True)


def test_compat_check_35_schema_is_valid_openapi_3_1(document):
    validate_schema(document)

    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Market Data Server API"


def test_compat_check_35_every_address_is_described(document):
    served = {
        re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", str(pattern.pattern))
        for resolver in get_resolver("config.rest_urls").url_patterns
        for pattern in getattr(resolver, "url_patterns", ())
        if not hasattr(pattern, "url_patterns")
    }

    assert served
    assert {"/" + path.strip("^$").removesuffix("/?") for path in served} <= set(
        document["paths"]
    )


def test_every_operation_has_words_and_named_answers(document):
    for path, operations in document["paths"].items():
        operation = operations["get"]
        assert operation["description"], path
        assert "200" in operation["responses"], path
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (path, parameter["name"])


def test_candles_are_described_as_countback_without_from(document):
    for path in ("/api/candles", "/api/candles/{symbol}/{timeframe}"):
        parameters = document["paths"][path]["get"]["parameters"]
        required = [item["name"] for item in parameters if item.get("required")]
        assert set(required) <= {"symbol", "timeframe"}


@pytest.mark.parametrize("query", ["", "?format=json"])
def test_compat_check_35_schema_is_served(query):
    answer = Client().get(f"/api/schema/{query}")

    assert answer.status_code == 200
    read = json.loads if query else yaml.safe_load
    assert read(answer.content)["openapi"] == "3.1.0"


@pytest.mark.parametrize("address", ["/api-docs", "/api-docs/", "/api/docs"])
def test_compat_check_35_api_docs_redirects_to_the_page(address):
    answer = Client().get(address)

    assert answer.status_code == 302
    assert answer.headers["Location"] == "/api/docs/"


def test_compat_check_35_page_takes_everything_from_this_server():
    text = Client().get("/api/docs/").content.decode()

    assert "SwaggerUIBundle" in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        with contextlib.closing(Client().get(address)) as found:
            assert found.status_code == 200


ANY = Plan()
RANGE = f"from={T0}&to={T0 + 7200}"
# A good address of each path; the answers to it and its like are all that is described.
ADDRESSES = {
    "/api/candles": f"/api/candles?symbol=EURUSD&fields=full&{RANGE}",
    "/api/candles/{symbol}/{timeframe}": f"/api/candles/EURUSD/1h?{RANGE}",
    "/api/ticks": f"/api/ticks?symbol=EURUSD&{RANGE}",
    "/api/metadata": "/api/metadata?symbol=EURUSD",
    "/api/metadata/{symbol}": "/api/metadata/EURUSD",
    "/api/symbols": "/api/symbols",
    "/api/brokers": "/api/brokers",
    "/api/coverage": f"/api/coverage?symbol=EURUSD&{RANGE}",
    "/udf/config": "/udf/config",
    "/udf/symbols": "/udf/symbols?symbol=EURUSD",
    "/udf/search": "/udf/search?query=EUR",
    "/udf/history": f"/udf/history?symbol=EURUSD&resolution=60&{RANGE}",
    "/udf/time": "/udf/time",
    "/health": "/health",
    "/health/live": "/health/live",
    "/health/ready": "/health/ready",
    "/healthz": "/healthz",
    "/readyz": "/readyz",
    "/metrics": "/metrics",
    "/metrics/prometheus": "/metrics/prometheus",
}


@pytest.fixture
def ask(rest, settings, monkeypatch):
    """A function that asks for a path so that the answer has the status."""

    @contextlib.contextmanager
    def clients(requests_per_min: int = 0, plan: Plan = ANY):
        """Take everybody for one client."""

        client = RestClientFacts(uuid4().hex, requests_per_min, plan)

        async def identify(peer: str, headers: object) -> RestClientFacts:
            return client

        with monkeypatch.context() as patch:
            patch.setattr(rest.services, "identify", identify)
            yield

    def ask(path: str, status: int) -> Answer:
        address, headers = ADDRESSES[path], {}
        if status == 304:
            headers["If_None_Match"] = rest.get(address).headers["ETag"]
        elif status == 400:
            headers["Host"] = "elsewhere"
        elif status == 404:
            address = address.replace("EURUSD", "XXXYYY")
        elif status == 401:
            headers["X_API_Key"] = "nobody's"
        elif status == 403:
            with clients(plan=Plan(symbols=frozenset())):
                return rest.get(address)
        elif status == 429:
            with clients(requests_per_min=1):
                return [rest.get(address) for _ in range(2)][-1]
        elif status == 503:
            settings.DATABASE_URL = ""
            if "ready" in path:
                settings.REDIS_URL = "redis://127.0.0.1:1/0"
        return rest.get(address, **headers)

    return ask


def test_compat_check_35_a_good_address_of_every_path_is_known(document):
    assert set(ADDRESSES) == set(document["paths"])


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.django_db(transaction=True)
def test_compat_check_35_every_described_status_is_answered_so(ask, document, path):
    store_quotes(fixture_quotes(20))
    responses = document["paths"][path]["get"]["responses"]

    for status in sorted(responses):  # the database goes away last
        answer = ask(path, int(status))

        assert answer.status_code == int(status)
        check(answer, responses[status])


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/api/candles?symbol=EURUSD&{RANGE}", 200),
        ("/api/candles", 400),
        ("/api/candles/EURUSD/1h", 400),
        (f"/api/ticks?symbol=EURUSD&type=trade&{RANGE}", 200),
        (f"/api/ticks?symbol=EURUSD&format=csv&{RANGE}", 200),
        ("/api/metadata", 200),
        ("/api/coverage", 400),
        ("/udf/symbols?symbol=XXXYYY", 200),
        ("/udf/history?symbol=EURUSD", 200),
        (f"/udf/history?symbol=EURUSD&resolution=1&to={T0}&countback=1", 200),
    ],
)
def test_answers_are_as_described(rest, transactional_db, document, address, status):
    store_quotes(fixture_quotes(20))
    path = address.partition("?")[0].replace("/EURUSD/1h", "/{symbol}/{timeframe}")

    answer = rest.get(address)

    assert answer.status_code == status
    check(answer, document["paths"][path]["get"]["responses"][str(status)])


def check(answer: Answer, described: dict[str, Any]) -> None:
    """Fail unless body and headers are those described."""
    if "content" not in described:
        assert answer.content == b""
        return
    media_type = answer.headers["Content-Type"].partition(";")[0]
    schema = described["content"][media_type]["schema"]
    is_json = media_type == "application/json" or schema["type"] == "integer"
    body = answer.json() if is_json else answer.content.decode()
    jsonschema_validate(body, schema)
    for name in described.get("headers", ()):
        assert name in _SOMETIMES or name in answer.headers, name


# Not on every answer: without data, after the last page, with data, without a limit.
_SOMETIMES = {
    "ETag",
    "X-Next-Cursor",
    "Link",
    "X-Data-Available",
    "X-Available-From",
    "X-Available-To",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
}
