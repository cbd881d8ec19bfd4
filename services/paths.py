"""Where things live: the services folder, the instances, the cache, the account.

<SERVICES_DIR>   default <repository>/.services: lock, env, link `instance`
<home>           state.json, postgres/, redis/: SERVICES_DIR itself, or, as root
                 in a folder closed to others, /var/lib/marketdata-services/<hash>
<SERVICES_CACHE> default <repository>/.services/cache: the unpacked binaries,
                 shared by all SERVICES_DIRs of a clone; closed folder: as above
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import UnsafePathError

REPOSITORY = Path(__file__).resolve().parent.parent
SYSTEM_FOLDER = Path("/var/lib/marketdata-services")
ACCOUNTS = ("postgres", "nobody")  # tried in this order when we are root


@dataclass(frozen=True)
class Account:
    """The unprivileged user that the servers run as when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Layout:
    """The folders of one set of instances; `account` is None unless root."""

    folder: Path
    home: Path
    cache: Path
    account: Account | None

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def env_file(self) -> Path:
        return self.folder / "env"

    @property
    def link(self) -> Path:
        return self.folder / "instance"

    @property
    def state_file(self) -> Path:
        return self.home / "state.json"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def redis(self) -> Path:
        return self.home / "redis"


def find_layout() -> Layout:
    """Return the folders for the present settings and user; makes nothing.

    Raises: UnsafePathError when SERVICES_CACHE is closed to the account.
    """
    default = REPOSITORY / ".services"
    folder = Path(os.environ.get("SERVICES_DIR") or default).resolve()
    home = linked_home(folder)
    account = find_account(home or folder)
    home = home or open_folder(folder, account)
    chosen = os.environ.get("SERVICES_CACHE")
    if not chosen:
        cache = open_folder(default, account) / "cache"
    else:
        cache = Path(chosen).resolve()
        if not can_traverse(cache, account):
            raise UnsafePathError(
                f"expected SERVICES_CACHE={cache} to be open to the user "
                f"{account.name if account else ''}, found a closed folder above it"
            )
    return Layout(folder, home, cache, account)


def prepare(layout: Layout) -> None:
    """Make the folders that both services need, and the link to the instances."""
    make_open_folder(layout.folder)
    make_open_folder(layout.home)
    if layout.home != layout.folder and linked_home(layout.folder) != layout.home:
        layout.link.unlink(missing_ok=True)
        layout.link.symlink_to(layout.home)


def make_open_folder(folder: Path) -> None:
    """Make a folder that all users may enter, whatever the umask; keep an old one."""
    if folder.is_dir():
        return
    make_open_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)


def make_private_folder(folder: Path, account: Account | None) -> None:
    """Make a folder that only the servers' user can enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    give(folder, account)


def write_private(path: Path, text: str, account: Account | None = None) -> None:
    """Replace a file atomically; mode 0600 from its first byte on."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    give(part, account)
    part.replace(path)


def give(path: Path, account: Account | None) -> None:
    """Hand a path to the account; nothing to do for an ordinary user."""
    if account:
        os.chown(path, account.uid, account.gid)


def linked_home(folder: Path) -> Path | None:
    """Return the home that an earlier call chose, so that data is found again.

    A copied clone carries the link too; its home names another folder: ignored.
    """
    home = (folder / "instance").resolve()
    try:
        state = json.loads((home / "state.json").read_text())
    except (OSError, ValueError):
        return None
    return home if state.get("folder") == str(folder) else None


def find_account(home: Path) -> Account | None:
    """Return the user for the servers; the owner of data that exists already."""
    if os.geteuid() != 0:
        return None
    try:
        owner = (home / "postgres").stat().st_uid
        entries = [pwd.getpwuid(owner)] if owner else []
    except (OSError, KeyError):
        entries = []
    for name in ACCOUNTS:
        try:
            entries.append(pwd.getpwnam(name))
        except KeyError:
            continue
    if not entries:
        raise UnsafePathError(
            f"expected one of the users {ACCOUNTS} for PostgreSQL, which refuses to "
            "run as root, found none"
        )
    return Account(entries[0].pw_name, entries[0].pw_uid, entries[0].pw_gid)


def open_folder(folder: Path, account: Account | None) -> Path:
    """Return the folder itself, or its stand-in that the account can reach."""
    if can_traverse(folder, account):
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return SYSTEM_FOLDER / digest


def can_traverse(folder: Path, account: Account | None) -> bool:
    """Tell whether the account can enter every existing folder on the way.

    Tried by a process of that user: modes alone do not show ACLs or mounts.
    """
    if account is None:
        return True
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    tried = subprocess.run(
        ["test", "-x", str(existing)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return tried.returncode == 0
