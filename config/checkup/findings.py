"""What a check found, and the judgements that need no service. Pure."""

from collections.abc import Generator, Iterable, Sequence, Set
from enum import StrEnum

import msgspec

from marketdata.process_messages import Answer, FeedFigures, WebFigures

MIN_PYTHON = (3, 11)
MIN_POSTGRES = 150_000  # as the server numbers itself: 15.0
MIN_REDIS = (6, 2)
MAX_CLOCK_S = 1.0  # between our clock and a service's
MAX_EARLY_S = 0.5  # that a broker's record may come before it happened
MIN_FREE_BYTES = 2 << 30
MIN_FREE_SHARE = 0.05
MIN_FILES = 4_096  # a socket each


class Verdict(StrEnum):
    """How it is; only `BAD` makes the command fail."""

    GOOD = "ok"
    POOR = "warning"
    BAD = "error"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found of one thing; ``cure`` says how to mend it, if it is not good."""

    check: str
    verdict: Verdict
    found: str
    cure: str = ""


# Findings, and whether what comes next can be looked at.
Steps = Generator[Finding, None, bool]


def good(check: str, found: str) -> Finding:
    """Return that it is well."""
    return Finding(check, Verdict.GOOD, found)


def poor(check: str, found: str, cure: str) -> Finding:
    """Return that it works, but not as it should."""
    return Finding(check, Verdict.POOR, found, cure)


def bad(check: str, found: str, cure: str) -> Finding:
    """Return that it does not work."""
    return Finding(check, Verdict.BAD, found, cure)


def judge_python(version: tuple[int, ...]) -> Finding:
    """Judge the interpreter by `sys.version_info`."""
    found = ".".join(map(str, version[:3]))
    if version[:2] < MIN_PYTHON:
        return bad("python", found, "run it with Python 3.11 or newer")
    return good("python", found)


def judge_packages(wrong: Sequence[str]) -> Finding:
    """Judge installed packages that are not those of the lock file."""
    if not wrong:
        return good("packages", "as locked")
    few = ", ".join(wrong[:5]) + (", ..." if len(wrong) > 5 else "")
    cure = "make venv, or pip install --require-hashes -r requirements.lock"
    return poor("packages", few, cure)


def judge_clock(of: str, ahead_s: float) -> Finding:
    """Judge how far a service's clock is ahead of ours, in seconds."""
    found = f"{of} is {abs(ahead_s):.3f} s {'ahead' if ahead_s > 0 else 'behind'}"
    if abs(ahead_s) > MAX_CLOCK_S:
        cure = "let NTP set the clocks of both machines (timedatectl set-ntp true)"
        return bad("clock", found, cure)
    return good("clock", found)


def judge_disk(folder: str, free: int, total: int) -> Finding:
    """Judge the free bytes where a folder lies."""
    found = f"{folder}: {free / 2**30:.1f} of {total / 2**30:.1f} GB free"
    if free < min(MIN_FREE_BYTES, total * MIN_FREE_SHARE):
        cure = "free some, or set TICK_RETENTION_DAYS; a full disk stops the database"
        return bad("disk", found, cure)
    if free < MIN_FREE_BYTES or free < total * MIN_FREE_SHARE:
        return poor("disk", found, "free some soon, or set TICK_RETENTION_DAYS")
    return good("disk", found)


def judge_files(soft: int) -> Finding:
    """Judge the limit of open files, of which each client takes one."""
    if soft < MIN_FILES:
        cure = f"ulimit -n 65536 before the start (LimitNOFILE= of systemd): now {soft}"
        return poor("open files", f"{soft} at most", cure)
    return good("open files", f"{soft} at most")


def judge_migrations(missing: Sequence[str]) -> Finding:
    """Judge the migrations that the database lacks."""
    if missing:
        few = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        return bad("migrations", f"{len(missing)} missing: {few}", "manage.py migrate")
    return good("migrations", "all applied")


def judge_processes(
    answers: Iterable[Answer], silent: int, enabled: Set[str]
) -> list[Finding]:
    """Judge who answered of all processes, and the feeds of the enabled brokers."""
    answers = list(answers)
    web = [item for item in answers if isinstance(item, WebFigures)]
    feeds = {item.broker: item for item in answers if isinstance(item, FeedFigures)}
    findings = []
    if silent:
        cure = "look at their logs and memory; a stuck one must be started again"
        findings.append(bad("processes", f"{silent} did not answer", cure))
    if web:
        clients = sum(item.clients for item in web)
        found = f"{len(web)} running, {clients} clients"
        findings.append(good("web processes", found))
    else:
        cure = "manage.py serve (make run starts all)"
        findings.append(bad("web processes", "none answers", cure))
    findings += [_judge_feed(name, feeds.get(name)) for name in sorted(enabled)]
    return findings


def _judge_feed(broker: str, feed: FeedFigures | None) -> Finding:
    check = f"feed {broker}"
    if feed is None:
        cure = f"manage.py run_feeds, or run_feed {broker}"
        return bad(check, "no process answers", cure)
    age = (
        "no record yet" if feed.age_s is None else f"last record {feed.age_s:.1f} s ago"
    )
    found = f"{feed.state}, {feed.records_per_s:.1f} records/s, {age}"
    if feed.state == "idle":
        return good(check, "idle: nobody follows it, and nothing of it is recorded")
    if feed.state != "live":
        return bad(check, found, "its log says why (FEED_DOWN of docs/errors.md)")
    if feed.lag_s is not None and feed.lag_s < -MAX_EARLY_S:
        early = f"records come {-feed.lag_s:.1f} s before they happen"
        return poor(check, early, "our clock is behind: timedatectl set-ntp true")
    return good(check, found)
