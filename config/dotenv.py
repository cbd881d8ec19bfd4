"""The `.env` file: a user's own lines first, then the block that `make run` writes.

The first line that sets a name wins, so a user's lines override the block.
"""

import re

MARK = "# --- written by `make run`; put your own lines above, they win ---"
_LINE = re.compile(r"(?:export )?([A-Z][A-Z0-9_]*)=(.*)")


def split_block(text: str) -> tuple[str, dict[str, str]]:
    """Return (the user's text, the written block's values) of a `.env` file's text."""
    own, _, block = text.partition(MARK)
    return own, parse_lines(block)


def parse_lines(text: str) -> dict[str, str]:
    """Return the values of NAME=value lines; the first line of a name wins."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found:
            values.setdefault(found[1], found[2].strip("\"'"))
    return values


def join_block(own: str, values: dict[str, str]) -> str:
    """Return the file's text from the user's part and the values to write."""
    lines = [f"{name}={value}" for name, value in values.items()]
    own = own.rstrip("\n") + "\n\n" if own.strip() else ""
    return own + "\n".join([MARK, *lines]) + "\n"
