"""COMPAT check 35: the description is valid, complete, and what is answered."""

import contextlib
import json
import re

import pytest
import yaml
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import validate as jsonschema_validate

from tests.history.factories import T0, fixture_quotes, store_quotes


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


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/api/candles?symbol=EURUSD&from={T0}&to={T0 + 7200}", 200),
        (f"/api/candles?symbol=EURUSD&fields=full&from={T0}&to={T0 + 7200}", 200),
        (f"/api/candles/EURUSD/1h?from={T0}&to={T0 + 7200}", 200),
        ("/api/candles", 400),
        (f"/api/candles?symbol=XXXYYY&from={T0}&to={T0 + 7200}", 404),
        (f"/api/ticks?symbol=EURUSD&from={T0}", 200),
        (f"/api/ticks?symbol=EURUSD&from={T0}&type=trade", 200),
        ("/api/metadata", 200),
        ("/api/metadata?symbol=EURUSD", 200),
        ("/api/metadata/EURUSD", 200),
        ("/api/metadata/XXXYYY", 404),
        ("/api/symbols", 200),
        ("/api/brokers", 200),
        (f"/api/coverage?symbol=EURUSD&from={T0}&to={T0 + 7200}", 200),
        ("/api/coverage", 400),
        ("/health", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/metrics", 200),
    ],
)
def test_answers_are_as_described(rest, transactional_db, document, address, status):
    store_quotes(fixture_quotes(20))
    path = address.partition("?")[0]
    path = path.replace("/EURUSD/1h", "/{symbol}/{timeframe}")
    path = re.sub("metadata/.*", "metadata/{symbol}", path)

    answer = rest.get(address)

    assert answer.status_code == status
    responses = document["paths"][path]["get"]["responses"]
    schema = responses[str(status)]["content"]["application/json"]["schema"]
    jsonschema_validate(answer.json(), schema)
    for name in responses[str(status)].get("headers", ()):
        assert name in _SOMETIMES or name in answer.headers, name


# Not on every answer: after the last page, with data, without a limit.
_SOMETIMES = {
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
