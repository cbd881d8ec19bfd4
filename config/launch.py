"""`make run`, `make dev` and `make test`: services, set-up, and one supervisor.

Runs inside `.venv` and imports no Django: settings are read by the commands that it
calls, from the `.env` that it writes.
"""

import argparse
import contextlib
import fcntl
import os
import secrets
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import honcho.manager
from honcho.environ import parse_procfile

import services
from config.announcing import announce
from config.dotenv import join_block, parse_lines, split_block
from services.command_line import (
    EX_INTERRUPTED,
    Parser,
    run_to_its_end,
    stopped_cleanly,
)
from services.page import ensure_page
from services.paths import write_private
from services.ports import describe_owner, is_free

BASE_DIR = Path(__file__).resolve().parent.parent
DOTENV = BASE_DIR / ".env"
USERS_LOCK = Path(sys.prefix) / "services-users.lock"
SAMPLE_DAY = BASE_DIR / "tests" / "payloads" / "dukascopy"
# In `make dev` these restart when a source file changes; a worker keeps its task.
RESTARTED = ("web", "feeds")
SOURCES = ("brokers", "config", "history", "importer", "marketdata")
DRAIN_S = 15  # a feed may take 10 s to store what it has read
EPILOG = """\
Exit codes: 0 stopped by Ctrl-C once all runs, 1 failed, 64 wrong usage, 130 stopped by
Ctrl-C during the set-up; else that of the command, or of the process that ended.

examples:
  python -m config.launch run
  python -m config.launch exec pytest tests/config
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command named on the command line and return its exit code."""
    options = parser().parse_args(arguments)
    return stopped_cleanly(lambda: run_command(options), "launch")


def parser() -> Parser:
    """Return the parser; examples are in its epilogue."""
    result = Parser(prog="python -m config.launch", description=__doc__, epilog=EPILOG)
    commands = result.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="set up and run everything")
    commands.add_parser("dev", help="the same, restarting on source changes")
    execute = commands.add_parser("exec", help="run a command beside the services")
    execute.add_argument("argv", nargs="+")
    return result


def run_command(options: argparse.Namespace) -> int:
    """Run the command that the options name; return its exit code."""
    try:
        if options.command == "exec":
            return run_beside_services(options.argv)
        return run_server(restart=options.command == "dev")
    except (services.ServicesError, LaunchError) as exc:
        print(f"launch: error ({exc.code}): {exc}", file=sys.stderr)
    except subprocess.CalledProcessError as exc:
        if exc.returncode == EX_INTERRUPTED:  # it has the same terminal
            raise KeyboardInterrupt from exc
        text = f"{shlex.join(exc.cmd)} ended with {exc.returncode}"
        print(f"launch: {text}", file=sys.stderr)
    return 1


class LaunchError(Exception):
    """Raised when the server cannot be started; the text says what to change."""

    code = "LAUNCH_FAILED"


def run_beside_services(argv: list[str]) -> int:
    """Run a command with services and default settings, apart from any `.env`."""
    fetch_page()
    with running_services() as urls:
        defaults = {
            "SECRET_KEY": secrets.token_urlsafe(40),
            "ENV_FILE": os.devnull,
            "CONFIG_FILE": os.devnull,
            "CHANNEL_PREFIX": f"exec-{os.getpid()}",
            # Tests start hundreds of processes; each would compile all that we have.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        return run_to_its_end(argv, env={**os.environ, **urls, **defaults})


def run_server(*, restart: bool) -> int:
    """Set everything up, run all processes until Ctrl-C, and stop what was started."""
    own, written = split_block(DOTENV.read_text() if DOTENV.exists() else "")
    for name, value in parse_lines(own).items():
        os.environ.setdefault(name, value)
    with running_services() as urls:
        values = choose_values(written, urls)
        write_private(DOTENV, join_block(own, values))
        os.environ.update({**values, **os.environ})
        check_port(int(os.environ["PORT"]))
        return supervise(set_up(), restart=restart)


@contextlib.contextmanager
def running_services() -> Iterator[dict[str, str]]:
    """Give the services' addresses; stop at the end what was started here.

    They stay up while another launcher of this clone uses them.
    """
    with USERS_LOCK.open("w") as lock:
        # Shared while they are used, so that the one who started them does not stop
        # them under another `make run` or `make test`.
        fcntl.flock(lock, fcntl.LOCK_SH)
        environment = services.up()
        try:
            yield {
                "DATABASE_URL": environment.database_url,
                "REDIS_URL": environment.redis_url,
            }
        finally:
            if environment.started and is_last_user(lock):
                services.down()


def is_last_user(lock: IO[str]) -> bool:
    """Return whether nobody else holds the lock; then it is exclusively ours."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def choose_values(written: dict[str, str], urls: dict[str, str]) -> dict[str, str]:
    """Return the block for `.env`: what an earlier start chose, else safe defaults."""
    return {
        "SECRET_KEY": written.get("SECRET_KEY") or secrets.token_urlsafe(40),
        **urls,
        "PORT": written.get("PORT", "8080"),
        "HOST": written.get("HOST", "127.0.0.1"),
        "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
        "BROKERS_ENABLED": written.get("BROKERS_ENABLED", "simulated,redis"),
        "ADMIN_PASSWORD": written.get("ADMIN_PASSWORD") or secrets.token_urlsafe(12),
    }


def check_port(port: int) -> None:
    """Raise LaunchError if the web process could not listen on the port."""
    if not is_free(port):
        raise LaunchError(
            f"expected port {port} (PORT) to be free, found {describe_owner(port)} "
            "listening on it; stop that process or set PORT"
        )


def set_up() -> str:
    """Bring database, instruments and sample day up to date; return the login."""
    manage("migrate", "--verbosity", "0")
    manage("recreate_indexes", "--only-missing")
    manage("load_instruments")
    fetch_page()
    login = manage("ensure_admin", stdout=subprocess.PIPE).stdout.strip()
    if SAMPLE_DAY.is_dir():
        day = ["--from", "2019-02-04", "--to", "2019-02-04"]
        source = f"bi5-dir:{SAMPLE_DAY}"
        manage("import_ticks", "--symbol", "EURUSD", *day, "--source", source)
    return login


def fetch_page() -> None:
    """Fetch the page's chart library; without it the page works, with no chart."""
    try:
        ensure_page()
    except services.ServicesError as exc:
        print(f"launch: the page has no chart ({exc.code}): {exc}", file=sys.stderr)


def manage(
    *arguments: str, stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end; CalledProcessError if it fails."""
    argv = [sys.executable, str(BASE_DIR / "manage.py"), *arguments]
    return subprocess.run(argv, check=True, cwd=BASE_DIR, stdout=stdout, text=True)


def supervise(login: str, *, restart: bool) -> int:
    """Run the Procfile's processes until one ends or a signal comes."""
    # A closed terminal ends everything as Ctrl-C does.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    honcho.manager.KILL_WAIT = DRAIN_S
    manager = honcho.manager.Manager()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}
    procfile = parse_procfile((BASE_DIR / "Procfile").read_text())
    for name, command in procfile.processes.items():
        if restart and name in RESTARTED:
            command = watched(command)
        manager.add_process(name, command, env=environ, cwd=str(BASE_DIR))
    hello = (os.environ["PORT"], login)
    threading.Thread(target=announce, args=hello, daemon=True).start()
    manager.loop()
    # Stopped by a signal is how this command is meant to end.
    return 0 if manager.returncode in (130, 143) else manager.returncode


def watched(command: str) -> str:
    """Return the command that runs another and restarts it on source changes."""
    argv = ["watchfiles", "--filter", "python", "--sigint-timeout", str(DRAIN_S)]
    return "exec " + shlex.join([*argv, command.removeprefix("exec "), *SOURCES])


if __name__ == "__main__":
    sys.exit(main())
