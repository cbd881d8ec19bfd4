"""Tells each WebSocket client what its session writes through."""

from marketdata.outbox import PORT_EXTENSION


async def application(scope, receive, send):
    if scope["type"] != "websocket":
        raise ValueError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    port = scope["extensions"][PORT_EXTENSION]
    await send({"type": "websocket.send", "text": type(port).__name__})
    await receive()
