"""Looks at the machine that the command runs on; `findings` judges."""

import importlib.metadata
import resource
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from packaging.requirements import Requirement

from config.checkup.findings import (
    Finding,
    bad,
    judge_disk,
    judge_files,
    judge_packages,
    judge_python,
    poor,
)


def check_machine() -> Iterable[Finding]:
    """Return what is found of Python, its packages, limits, disk and page."""
    yield judge_python(sys.version_info[:3])
    yield judge_packages(_wrong_packages(settings.BASE_DIR / "requirements.lock"))
    if not settings.SECRET_KEY:
        cure = "set it to 50 random characters (.env.example); make run writes one"
        yield bad("SECRET_KEY", "not set", cure)
    if not settings.ALLOWED_HOSTS and not settings.DEBUG:
        cure = "name the hosts that clients use, ALLOWED_HOSTS=example.org"
        yield poor("ALLOWED_HOSTS", "empty: pages answer 400", cure)
    yield judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    journal = Path(settings.JOURNAL_DIR)
    folders = [settings.BASE_DIR, *(item for item in [journal] if item.exists())]
    for folder in dict.fromkeys(folders):
        usage = shutil.disk_usage(folder)
        yield judge_disk(str(folder), usage.free, usage.total)
    library = settings.BASE_DIR / "static" / "vendor"
    if not library.exists():
        cure = "python -m services page, then manage.py collectstatic"
        yield poor("page", "no chart library: the page has prices only", cure)


def _wrong_packages(lock: Path) -> list[str]:
    """Return what is not installed as the lock file says."""
    wrong = []
    for line in lock.read_text().splitlines():
        if not line[:1].isalnum():
            continue  # a comment, or a hash of the line before
        locked = Requirement(line.removesuffix("\\").strip())
        if locked.marker is not None and not locked.marker.evaluate():
            continue
        try:
            found = importlib.metadata.version(locked.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{locked.name} missing")
            continue
        if not locked.specifier.contains(found):
            wrong.append(f"{locked.name} {found}, not {locked.specifier}")
    return wrong
