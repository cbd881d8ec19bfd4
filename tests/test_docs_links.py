"""Pages of the documentation: all are found, and what they link to and call exists."""

import re
from argparse import ArgumentParser
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
pages = pytest.mark.parametrize("name", PAGES)


def links(name: str) -> list[str]:
    """Return the relative links of a page, pictures among them."""
    text = re.sub(r"^```.*?^```$", "", PAGES[name], flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(path: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pages
def test_links_lead_somewhere(name: str) -> None:
    wrong = []
    for link in links(name):
        target, _, anchor = link.partition("#")
        path = (ROOT / name).parent / target if target else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors(path)):
            wrong.append(link)

    assert wrong == []


def test_every_page_is_in_the_index() -> None:
    listed = {link.partition("#")[0] for link in links("docs/README.md")}
    there = {path.name for path in (ROOT / "docs").glob("*.md")}

    assert there - listed - {"README.md"} == set()
    assert "docs/README.md" in links("README.md")


@cache
def parser(command: str) -> ArgumentParser:
    """Return what reads the command's options."""
    app = get_commands()[command]
    return load_command_class(app, command).create_parser("manage.py", command)


def calls(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of ours that a text calls, each with its options."""
    text = text.replace("\\\n", " ")
    found = re.findall(r"manage\.py (\w+)([^\n`|;&#]*)", text)
    names = "|".join(get_commands())
    found += re.findall(rf"`({names})( -[^`\n]*)`", text)
    return [
        (command, re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", rest))
        for command, rest in found
    ]


def test_calls_finds_commands_and_options() -> None:
    text = "`import_ticks --fill-gaps`, manage.py serve \\\n --only ws # -x\n"

    assert calls(text) == [("serve", ["--only"]), ("import_ticks", ["--fill-gaps"])]


@pages
def test_commands_and_their_options_exist(name: str) -> None:
    wrong = []
    for command, options in calls(PAGES[name]):
        if command == "help":  # Django's own, and no command like the others
            continue
        if command not in get_commands():
            wrong.append(command)
            continue
        known = parser(command)._option_string_actions
        wrong += [f"{command} {option}" for option in options if option not in known]

    assert wrong == []
