"""Entity tags: made of the version of the data, compared as RFC 9110 asks."""

import hashlib
import re

# One of the list in If-None-Match; the tag of a weak one counts the same (13.1.2).
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def make_etag(*parts: object) -> str:
    """Return a strong tag of what the answer depends on, quoted."""
    text = "\n".join(map(str, parts))
    return f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Return True if the client's copy, told by If-None-Match, is still good.

    The tag without quotes is taken, too: server A's clients send it like that.
    """
    if not if_none_match:
        return False
    if if_none_match.strip() in ("*", etag.strip('"')):
        return True
    return etag in _TAG.findall(if_none_match)
