"""The repository's virtual environment, made from a lock file with hashes."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import UnsafePathError, VenvFailedError
from .paths import REPOSITORY, make_open_folder
from .processes import locked, run

LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"  # holds everything of LOCK too
STAMP = "services-stamp.json"

log = logging.getLogger("services")


def ensure_venv(*, dev: bool = False, repository: Path = REPOSITORY) -> bool:
    """Make `<repository>/.venv` hold what the lock file says; False: it did already.

    A stamp written last tells a finished install; an interrupted one is made anew.
    Blocks while another call works on it.

    Raises: VenvFailedError, UnsafePathError when .venv is something else.
    """
    folder = repository / ".venv"
    lock = repository / (DEV_LOCK if dev else LOCK)
    if not lock.is_file():
        raise VenvFailedError(f"expected a lock file {lock}, found none")
    if is_current(folder, lock):
        return False
    make_open_folder(repository / ".services")
    with locked(repository / ".services" / "venv-lock"):
        if is_current(folder, lock):
            return False
        install(folder, lock)
        locks = (repository / LOCK, lock) if dev else (lock,)
        stamp = {path.name: digest(path) for path in locks if path.is_file()}
        text = json.dumps({"python": sys.version, **stamp})
        (folder / STAMP).write_text(text)
    return True


def install(folder: Path, lock: Path) -> None:
    """Bring the environment to the lock; in place when the present one is whole."""
    log.info("installing %s into %s", lock.name, folder)
    if read_stamp(folder).get("python") == sys.version:
        (folder / STAMP).unlink()  # from here on it is not whole
        pip = find_pip(folder)
    else:
        pip = create(folder)
    options = ["--quiet", "--no-input", "--disable-pip-version-check"]
    check(run([*pip, "install", *options, "--require-hashes", "-r", lock]))


def is_current(folder: Path, lock: Path) -> bool:
    """Tell whether a finished install of this very lock and Python is there."""
    stamp = read_stamp(folder)
    is_same_lock = stamp.get(lock.name) == digest(lock)
    has_python = (folder / "bin" / "python").exists()
    return is_same_lock and stamp.get("python") == sys.version and has_python


def read_stamp(folder: Path) -> dict[str, str]:
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def create(folder: Path) -> list[str]:
    """Make an empty environment and return the pip command that installs into it.

    Debian's python3 lacks ensurepip without python3-venv; then another pip or
    virtualenv serves.

    Raises: VenvFailedError naming the Debian package when nothing works,
    UnsafePathError when the folder holds something else.
    """
    is_filled = folder.exists() and any(folder.iterdir())
    if is_filled and not (folder / "pyvenv.cfg").is_file():
        raise UnsafePathError(
            f"expected a virtual environment in {folder}, found other files; "
            "move them away"
        )
    make = [base_python(), "-m", "venv", "--clear"]
    if run([*make, folder]).returncode:
        done = run([*make, "--without-pip", folder])
        if done.returncode:
            log.info("python -m venv failed: %s", done.stderr.strip())
    return find_pip(folder)


def find_pip(folder: Path) -> list[str]:
    """Return a pip command that installs into the environment.

    Raises: VenvFailedError naming the Debian package that is missing.
    """
    python = str(folder / "bin" / "python")
    for pip in ([python, "-m", "pip"], *other_pips(python)):
        if shutil.which(pip[0]) and run([*pip, "--version"]).returncode == 0:
            return pip
    run([base_python(), "-m", "virtualenv", "--clear", folder])
    own = [python, "-m", "pip"]
    if shutil.which(python) and run([*own, "--version"]).returncode == 0:
        return own
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise VenvFailedError(
        f"expected ensurepip, a pip of at least 22.3 or virtualenv for {base_python()},"
        f" found none; on Debian: apt install python{version}-venv"
    )


def other_pips(python: str) -> list[list[str]]:
    """Return pips outside the environment that may install into it (pip >= 22.3)."""
    pips = ([base_python(), "-m", "pip"], ["pip3"], ["pip"])
    return [[*pip, "--python", python] for pip in pips]


def base_python() -> str:
    """Return the Python outside of any environment that we may be started from."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix, "bin", name)
    return str(base) if base.exists() else sys.executable


def check(done: subprocess.CompletedProcess[str]) -> None:
    """Raise VenvFailedError with the end of the output when a command failed."""
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise VenvFailedError(
            f"expected success of {' '.join(map(str, done.args))}, found exit code "
            f"{done.returncode}: {output}"
        )
