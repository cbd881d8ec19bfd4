import json

import pytest
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from history.renderers import FastJSONRenderer, JSONUnlessAsked

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_render_writes_shortest_floats_without_spaces():
    body = FastJSONRenderer().render({"a": [1.1, 1e-07, 100000.0, 0.1 + 0.2]})

    assert body == b'{"a":[1.1,1e-7,100000.0,0.30000000000000004]}'


def test_render_of_none_is_empty():
    assert FastJSONRenderer().render(None) == b""


def test_render_with_indent_is_for_people():
    body = FastJSONRenderer().render({"a": 1}, renderer_context={"indent": 4})

    assert body == b'{\n    "a": 1\n}'


def test_render_takes_texts_of_django_and_drf():
    data = {"lazy": gettext_lazy("Not found"), "detail": ErrorDetail("bad", "code")}

    body = json.loads(FastJSONRenderer().render(data))

    assert body == {"lazy": "Not found", "detail": "bad"}


def select(path, **headers):
    request = Request(APIRequestFactory().get(path, **headers))
    renderers = [FastJSONRenderer(), BrowsableAPIRenderer()]
    return JSONUnlessAsked().select_renderer(request, renderers)


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/csv", "image/png", "garbage", ""]
)
def test_select_renderer_answers_json_unless_html_is_asked_for(accept):
    renderer, media_type = select("/", HTTP_ACCEPT=accept)

    assert renderer.format == "json"
    assert media_type == "application/json"


def test_select_renderer_without_accept_is_json():
    assert select("/")[0].format == "json"


def test_select_renderer_of_browser_is_the_browsable_page():
    assert select("/", HTTP_ACCEPT=CHROME)[0].format == "api"


def test_select_renderer_of_unknown_format_is_json():
    assert select("/?format=xml", HTTP_ACCEPT=CHROME)[0].format == "json"
