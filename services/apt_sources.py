"""Reading the machine's apt sources, pure: text in, Debian mirrors out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CODENAMES = {"buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
CLASSES = {"oldoldstable", "oldstable", "stable", "testing", "unstable"}
DEBIAN_SUITES = CODENAMES | CLASSES
ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>\S.*)")


@dataclass(frozen=True)
class Source:
    """One archive and suite; `signed_by` is a keyring's path, None when unset."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None


def select_mirrors(sources: Iterable[Source]) -> list[Source]:
    """Return sources that are a Debian archive's main part, each address once.

    Left out: security and updates suites (their archives may hold nothing else),
    other distributions, and discs.
    """
    mirrors: dict[str, Source] = {}
    for source in sources:
        is_network = not source.uri.startswith("cdrom:")
        if is_network and source.suite in DEBIAN_SUITES and "main" in source.components:
            mirrors.setdefault(source.uri, source)
    return list(mirrors.values())


def parse_one_line(text: str) -> list[Source]:
    """Read a `.list` file; lines of other kinds (deb-src, comments) are skipped.

    deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] ADDRESS bookworm main

    Source: sources.list(5).
    """
    sources = []
    for line in text.splitlines():
        match = ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if not match:
            continue
        options = dict(
            option.partition("=")[::2] for option in (match["options"] or "").split()
        )
        words = match["rest"].split()
        if len(words) >= 2:
            keyring = keyring_path(options.get("signed-by", ""))
            sources.append(Source(words[0], words[1], tuple(words[2:]), keyring))
    return sources


def parse_deb822(text: str) -> list[Source]:
    """Read a `.sources` file; paragraphs with `Enabled: no` are skipped.

    Types: deb
    URIs: ADDRESS
    Suites: bookworm bookworm-updates
    Components: main
    Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

    Source: sources.list(5), section DEB822-STYLE FORMAT.
    """
    sources = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = parse_fields(paragraph)
        is_enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if not is_enabled or "deb" not in fields.get("types", "").split():
            continue
        sources += [
            Source(
                uri,
                suite,
                tuple(fields.get("components", "").split()),
                keyring_path(fields.get("signed-by", "")),
            )
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return sources


def parse_fields(paragraph: str) -> dict[str, str]:
    """Read `Name: value` lines; lines that start with a space continue a value."""
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in {" ", "\t"}:
            if name:
                fields[name] += f"\n{line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def keyring_path(value: str) -> str | None:
    """Return the keyring of a Signed-By; None for a key id or an embedded key."""
    first = value.replace(",", " ").split()[:1]
    return first[0] if first and first[0].startswith("/") else None
