"""Removing what this package made, and nothing else."""

from __future__ import annotations

import shutil

from .errors import UnsafePathError
from .paths import SYSTEM_FOLDER, Layout
from .state import load_state


def remove_data(layout: Layout) -> None:
    """Remove data, passwords and logs, of instances that we made and no others.

    Raises: UnsafePathError when the state file that proves it is missing.
    """
    state = load_state(layout)
    if state is None:
        if layout.postgres.exists() or layout.redis.exists():
            raise UnsafePathError(
                f"expected {layout.state_file}, the mark of folders made by this "
                f"package, found none; remove {layout.postgres} and {layout.redis} "
                "yourself"
            )
        return
    for folder in (layout.postgres, layout.redis):
        if folder.exists():
            shutil.rmtree(folder)
    layout.env_file.unlink(missing_ok=True)
    layout.state_file.unlink()
    if layout.home != layout.folder:
        layout.link.unlink(missing_ok=True)
    if layout.home.parent == SYSTEM_FOLDER:  # nothing of ours stays outside the clone
        if layout.cache.parent == layout.home:
            shutil.rmtree(layout.cache, ignore_errors=True)
        if not any(layout.home.iterdir()):
            layout.home.rmdir()
