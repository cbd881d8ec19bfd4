"""`make bench`: run the named benchmarks, or all; each prints its figures as lines."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run each benchmark in a process of its own; return the worst exit code."""
    every = sorted(
        path.stem for path in HERE.glob("[a-z]*.py") if "def main(" in path.read_text()
    )
    unknown = set(names) - set(every)
    if unknown:
        print(f"expected some of {', '.join(every)}, found {', '.join(unknown)}")
        return 64
    worst = 0
    for name in names or every:
        print(f"--- {name}", flush=True)
        argv = [sys.executable, "-m", f"benchmarks.{name}"]
        worst = max(worst, abs(subprocess.run(argv, cwd=HERE.parent).returncode))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
