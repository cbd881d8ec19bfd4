"""The Dockerfile's second stage, carried out in a folder: what is tried without Docker.

Its COPY, ENV, RUN, USER, HEALTHCHECK and CMD are taken from the file as they are. Not
carried out: the base image and `useradd`; packages come from the venv in use, which
has those of the lock among others. The user is an ordinary one in that it may write
nothing but what the image gives it, also where the tests run as root.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Root without capabilities is held to the modes of files, as everybody else is.
AS_USER = (
    ["setpriv", "--no-new-privs", "--bounding-set=-all"] if os.geteuid() == 0 else []
)


def instructions() -> list[tuple[str, str]]:
    """Return name and argument of each instruction of the last stage."""
    text = (ROOT / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", "")
    stage = re.split(r"^FROM .*\n", text, flags=re.M)[-1]
    lines = [line.strip() for line in stage.splitlines() if line.strip()]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


class Image:
    """A folder with what the image has under its WORKDIR."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "root"
        self.environment = {"HOME": "/nonexistent"}
        self.owned: dict[str, str] = {}  # folders that RUN gave to somebody
        self.health: list[str] = []
        self.command: list[str] = []
        for name, argument in instructions():
            getattr(self, f"_{name.lower()}")(argument)

    def close_to_user(self) -> None:
        """Take the rights to write from all that USER does not own in the image."""
        for path in [self.folder, *self.folder.rglob("*")]:
            top = path.relative_to(self.folder).parts[:1]
            if not top or self.owned.get(top[0]) != self.user:
                path.chmod(path.stat().st_mode & ~0o222)

    def open_again(self) -> None:
        """Give the rights back, so that the folder can be removed."""
        for path in [self.folder, *self.folder.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        """Start a command as the image's user, with these settings alone."""
        return subprocess.Popen(
            [*AS_USER, *command],
            cwd=self.folder,
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **settings: str) -> tuple[int, str]:
        """Return exit code and output of a command, as by `docker exec`."""
        process = self.start(*command, **settings)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def _copy(self, argument: str) -> None:
        words = [word for word in argument.split() if not word.startswith("--")]
        target = self.folder / words[-1]
        for source in words[:-1]:
            origin = ROOT / source.removeprefix("/page/")
            if origin.is_dir():
                shutil.copytree(origin, target, ignore=_ignored, dirs_exist_ok=True)
            elif source != "/opt/venv":
                shutil.copy(origin, target)

    def _env(self, argument: str) -> None:
        venv = str(Path(sys.prefix) / "bin")
        for name, value in (pair.split("=", 1) for pair in argument.split()):
            value = value.replace("/opt/venv/bin", venv)
            self.environment[name] = value.replace("$PATH", os.environ["PATH"])

    def _run(self, argument: str) -> None:
        if argument.startswith("useradd"):
            return
        for user, folder in re.findall(r"chown -R (\w+) (\w+)", argument):
            self.owned[folder] = user
        line = re.sub(r"chown -R \w+", f"chown -R {os.getuid()}", argument)
        subprocess.run(
            line, shell=True, cwd=self.folder, env=self.environment, check=True
        )

    def _user(self, argument: str) -> None:
        self.user = argument

    def _healthcheck(self, argument: str) -> None:
        self.health = json.loads(argument.partition("CMD ")[2])

    def _cmd(self, argument: str) -> None:
        self.command = json.loads(argument)

    def _workdir(self, argument: str) -> None:
        assert argument == "/app"

    def _expose(self, argument: str) -> None:
        self.port = argument


def _ignored(folder: str, names: list[str]) -> list[str]:
    patterns = (ROOT / ".dockerignore").read_text().split()
    return [
        name
        for name in names
        if any(fnmatch(name, pattern.removeprefix("**/")) for pattern in patterns)
    ]
