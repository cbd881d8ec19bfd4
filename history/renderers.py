"""How DRF renders here: JSON by msgspec, and its page for people around that."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

# Lazy texts and DRF's ErrorDetail are the only foreign types that reach a body.
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class FastJSONRenderer(BaseRenderer):
    """Renders msgspec structs, dicts and lists; floats have their shortest digits."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "text"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the JSON text; indented where the browsable page asks for it."""
        if data is None:
            return b""
        body = _ENCODER.encode(data)
        indent = (renderer_context or {}).get("indent")
        return msgspec.json.format(body, indent=indent) if indent else body


class AlwaysThePage(DefaultContentNegotiation):
    """Gives the page, for its view is called where a page was asked for."""

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the last renderer and its media type."""
        return renderers[-1], renderers[-1].media_type
