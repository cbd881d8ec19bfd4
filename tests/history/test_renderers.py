import json

from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from history.renderers import AlwaysThePage, FastJSONRenderer


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


def test_always_the_page_gives_the_last_renderer():
    request = Request(APIRequestFactory().get("/", HTTP_ACCEPT="application/json"))
    renderers = [FastJSONRenderer(), BrowsableAPIRenderer()]

    renderer, media_type = AlwaysThePage().select_renderer(request, renderers)

    assert (renderer.format, media_type) == ("api", "text/html")
