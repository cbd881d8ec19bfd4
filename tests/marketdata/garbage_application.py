"""The application, with a page that tells what only a garbage collection frees."""

import gc
import json
from collections import Counter

from config.asgi import application as served

gc.disable()


async def application(scope, receive, send):
    """Serve `/garbage`; all else is the application's."""
    if scope["path"] != "/garbage":
        await served(scope, receive, send)
        return
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(type(item).__qualname__ for item in gc.garbage)
    gc.garbage.clear()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(found).encode()})
