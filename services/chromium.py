"""A headless Chromium for the tests of the page: the machine's, else Debian's package.

The package is fetched and unpacked as the servers are, into a folder of its own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from . import packages
from .patching import ensure_patchelf, library_folders, patch
from .paths import find_layout, make_open_folder
from .processes import locked, run

INSTALLED = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
PROGRAM = "usr/lib/chromium/chromium-headless-shell"
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


def find_chromium() -> tuple[Path, dict[str, str]]:
    """Return the browser's program and what its environment needs besides.

    May block for a download (200 MB, once).

    Raises: ServicesError when it can neither be found nor fetched.
    """
    for name in INSTALLED:
        if found := shutil.which(name):
            return Path(found), {}
    cache = find_layout().cache / "chromium"
    root = ensure_packages(cache)
    return root / PROGRAM, {"FONTCONFIG_FILE": str(cache / "fonts.conf")}


def ensure_packages(cache: Path) -> Path:
    """Return the root folder of the unpacked browser; fetch it when missing.

    Raises: UnsupportedMachineError, DownloadFailedError.
    """
    root = cache / "root"
    if packages.read_stamp(cache) == str(root):
        return root
    packages.check_machine()
    make_open_folder(cache)
    with locked(cache / "lock"):
        if packages.read_stamp(cache) != str(root):
            packages.check_disk(cache)
            packages.fetch(cache, PACKAGES, "Chromium for tests (200 MB, once)")
            packages.unpack(cache)
            flatten_pulse(root, tools=cache / "tools")
            patch(root, tools=cache / "tools", names=(PROGRAM,))
            fonts = FONTS.format(fonts=root / "usr/share/fonts", cache=cache / "fonts")
            (cache / "fonts.conf").write_text(fonts)
            (cache / "stamp.json").write_text(json.dumps({"root": str(root)}))
    return root


def flatten_pulse(root: Path, *, tools: Path) -> None:
    """Put PulseAudio's private library beside the others.

    Its users look for it at the absolute place where Debian installs it.
    """
    patchelf = ensure_patchelf(tools)
    for folder in library_folders(root):
        for library in folder.glob("pulseaudio/*.so"):
            library.rename(folder / library.name)
        for user in folder.glob("libpulse*.so*"):
            run([patchelf, "--remove-rpath", user.resolve()])
