"""The clients of others that the tests use. Both packages live in `binance`."""

import warnings

with warnings.catch_warnings():
    # python-binance names a class of websockets that is going away.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.async_client import AsyncClient
    from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient
    from binance.ws.reconnecting_websocket import ReconnectingWebsocket
    from binance.ws.streams import BinanceSocketManager

__all__ = [
    "AsyncClient",
    "BinanceSocketManager",
    "ReconnectingWebsocket",
    "SpotWebsocketStreamClient",
]
