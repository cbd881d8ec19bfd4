"""The page's pure modules, by Node's own test runner."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.examples.test_clients import node

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for name in ("page", "coverage")
    for path in (ROOT / "static" / name).glob("*.js")
)
PURE = {"series.js", "holes.js", "prices.js", "connection.js", "subscriptions.js"}
PURE_OF_COVERAGE = {"choice.js", "hours.js", "jobs.js"}
PATHS = {name: ROOT / "static" / "page" / name for name in PURE} | {
    name: ROOT / "static" / "coverage" / name for name in PURE_OF_COVERAGE
}
ACTING = r"\b(document|window|fetch|WebSocket|localStorage|setTimeout|Date\.now)\b"
MAX_LINES = 250


@pytest.mark.parametrize("name", sorted(PATHS))
def test_pure_modules_do_what_their_tests_say(name: str) -> None:
    test = ROOT / "tests" / "page" / "node" / name.replace(".js", ".test.js")
    environ = {k: v for k, v in os.environ.items() if k != "NODE_OPTIONS"}

    done = subprocess.run(
        [node(), "--test", "--test-reporter=tap", str(test)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout
    assert int(re.search(r"^# pass (\d+)", done.stdout, re.MULTILINE)[1]) > 0


@pytest.mark.parametrize("name", sorted(PATHS))
def test_pure_modules_touch_nothing(name: str) -> None:
    text = PATHS[name].read_text()
    code = re.sub(r"//.*|/\*[\s\S]*?\*/", "", text)
    imports = set(re.findall(r'from "\./(\w[\w-]*\.js)"', code))

    assert re.findall(ACTING, code) == []
    assert imports <= PATHS.keys()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_modules_are_of_readable_size(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
