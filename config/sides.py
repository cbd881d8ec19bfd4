"""What `serve --only` serves in place of the side that it leaves out."""

from typing import Any

from history.rest_application import RestApplication

HEALTH = {"health", "healthz", "readyz", "metrics"}  # first parts of paths


class HealthApplication:
    """Answers health checks; any other address is one that does not exist."""

    def __init__(self, rest: RestApplication) -> None:
        self._rest = rest
        self._nothing = RestApplication(rest.services, "config.no_urls")

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        is_health = scope["path"][1:].partition("/")[0] in HEALTH
        serve = self._rest if is_health else self._nothing
        await serve(scope, receive, send)


async def refuse_websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Close before the handshake; servers answer 403."""
    await receive()
    await send({"type": "websocket.close"})
