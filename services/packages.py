"""Fetching the servers as Debian packages into a private folder, without root.

apt runs with its own lists, cache and empty package status, so the machine's
packages stay as they are. The unpacked binaries are pointed at their own libc, as
the machine's may be older.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from .apt_sources import Source, parse_deb822, parse_one_line, select_mirrors
from .errors import DownloadFailedError, UnsupportedMachineError
from .patching import patch
from .paths import make_open_folder
from .processes import locked, run

SUITE = "trixie"
PACKAGES = ("postgresql-17-timescaledb", "redis-server")
NOT_NEEDED = re.compile(
    r"(perl|lib[a-z0-9.-]*perl|libllvm|libz3|locales|libc-l10n|postgresql-common"
    r"|postgresql-client-common|debconf|adduser|passwd|login\.defs|procps|openssl_"
    r"|ssl-cert|ucf|sensible-utils|init-system-helpers|sysvinit-utils).*"
)
BULK = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/lib/postgresql/17/lib/bitcode",
)
POSTGRES_BIN = "usr/lib/postgresql/17/bin"
REDIS_SERVER = "usr/bin/redis-server"
PROGRAMS = (
    f"{POSTGRES_BIN}/postgres",
    f"{POSTGRES_BIN}/initdb",
    f"{POSTGRES_BIN}/pg_ctl",
    f"{POSTGRES_BIN}/psql",
    f"{POSTGRES_BIN}/pg_dump",
    REDIS_SERVER,
    "usr/bin/redis-cli",
)
NEEDED_FREE_BYTES = 800_000_000  # 95 MB packages + 190 MB unpacked + data; 2 x margin
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

log = logging.getLogger("services")


def ensure_packages(cache: Path) -> Path:
    """Return the root folder of the unpacked packages; fetch them when missing.

    Blocks for the download (95 MB). Two calls at once fetch once.

    Raises: UnsupportedMachineError, DownloadFailedError.
    """
    root = cache / "root"
    if read_stamp(cache) == str(root):
        return root
    check_machine()
    make_open_folder(cache)
    with locked(cache / "lock"):
        stamp = read_stamp(cache)
        if stamp is None:
            check_disk(cache)
            fetch(cache, PACKAGES, "PostgreSQL, TimescaleDB and Redis (95 MB, once)")
            unpack(cache)
        if stamp != str(root):  # else another call was quicker; a moved one: patch
            patch(root, tools=cache / "tools", names=PROGRAMS)
            (cache / "stamp.json").write_text(json.dumps({"root": str(root)}))
    return root


def read_stamp(cache: Path) -> str | None:
    """Return the place that the unpacked binaries were made for; None: no such."""
    try:
        return str(json.loads((cache / "stamp.json").read_text())["root"])
    except (OSError, ValueError, KeyError):
        return None


def check_machine() -> None:
    missing = [name for name in ("apt-get", "dpkg") if not shutil.which(name)]
    if missing:
        raise UnsupportedMachineError(
            "expected Debian's apt-get and dpkg, to fetch PostgreSQL and Redis "
            f"privately, found no {' and no '.join(missing)} on this machine"
        )


def check_disk(cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if free < NEEDED_FREE_BYTES:
        raise UnsupportedMachineError(
            f"expected {NEEDED_FREE_BYTES // 10**6} MB free for {cache}, "
            f"found {free // 10**6} MB"
        )


def fetch(cache: Path, names: Sequence[str], what: str) -> None:
    """Download packages and all they depend on, from the first mirror that works.

    Raises: DownloadFailedError with what each mirror's try said.
    """
    failures = []
    for mirror in find_mirrors():
        log.info("fetching %s", what)
        failure = fetch_from(mirror, cache, names)
        if failure is None:
            return
        failures.append(f"{mirror.uri} {SUITE}: {failure}")
    raise DownloadFailedError(
        f"expected the packages {', '.join(names)} of Debian {SUITE}, found:\n"
        + "\n".join(failures)
    )


def find_mirrors() -> list[Source]:
    """Return the Debian mirrors of the machine's own apt sources.

    Raises: UnsupportedMachineError when there is none.
    """
    apt = Path("/etc/apt")
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    sources = [
        source
        for path in lists
        if path.is_file()
        for source in parse_one_line(path.read_text(errors="replace"))
    ]
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        sources += parse_deb822(path.read_text(errors="replace"))
    mirrors = select_mirrors(sources)
    if not mirrors:
        found = sorted({f"{source.uri} {source.suite}" for source in sources})
        raise UnsupportedMachineError(
            "expected a Debian mirror in /etc/apt/sources.list or sources.list.d, "
            f"found {', '.join(found) or 'no source'}"
        )
    return mirrors


def fetch_from(mirror: Source, cache: Path, names: Sequence[str]) -> str | None:
    """Update the lists and download; None when done, else what apt said."""
    apt = cache / "apt"
    for name in ("lists/partial", "archives/partial"):
        make_open_folder(apt / name)
    shutil.rmtree(apt / "lists")  # another mirror's lists would mix in
    make_open_folder(apt / "lists" / "partial")
    (apt / "status").write_text("")
    (apt / "sources.sources").write_text(sources_text(mirror))
    (apt / "apt.conf").write_text(config_text(apt))
    command = ["apt-get", "--quiet", "--yes", "--config-file", str(apt / "apt.conf")]
    for action in (["update"], ["install", "--download-only", *names]):
        done = run([*command, *action])
        # a failed update leaves a warning and exit code 0, so its errors count too
        if done.returncode or re.search(r"^(E|Err):?\d*[ :]", done.stderr, re.M):
            return (done.stderr.strip() or done.stdout.strip())[-2000:]
    return None


def sources_text(mirror: Source) -> str:
    """Return a `.sources` file for our suite at the machine's mirror."""
    keyring = mirror.signed_by or (str(KEYRING) if KEYRING.exists() else None)
    signed = f"Signed-By: {keyring}\n" if keyring else ""
    return (
        f"Types: deb\nURIs: {mirror.uri}\nSuites: {SUITE}\nComponents: main\n{signed}"
    )


def config_text(apt: Path) -> str:
    """Return apt's configuration; what the machine sets else (proxies) stays."""
    return f"""\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::Etc::sourcelist "{apt}/sources.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "-";
Dir::State "{apt}";
Dir::State::lists "{apt}/lists";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}";
Dir::Cache::archives "{apt}/archives";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Default-Release "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


def unpack(cache: Path) -> None:
    """Unpack the downloaded packages, without what nothing here uses."""
    root = cache / "root"
    shutil.rmtree(root, ignore_errors=True)
    make_open_folder(root)
    archives = cache / "apt" / "archives"
    for package in sorted(archives.glob("*.deb")):
        if NOT_NEEDED.match(package.name):
            continue
        done = run(["dpkg", "-x", package, root])
        if done.returncode:
            raise DownloadFailedError(
                f"expected a Debian package in {package}, found: {done.stderr.strip()}"
            )
    for name in BULK:
        shutil.rmtree(root / name, ignore_errors=True)
    shutil.rmtree(cache / "apt")
