"""An application that does not admit everybody, for tests of our server."""


class PickyApplication:
    """Welcomes clients; `admits` is asked by the server before the handshake."""

    def admits(self, peer: str, real_ip: str) -> bool:
        """Return True for clients that no proxy speaks for."""
        assert peer == "127.0.0.1"
        return not real_ip

    async def __call__(self, scope, receive, send):
        """Serve one client."""
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "welcome"})
        await receive()


application = PickyApplication()
