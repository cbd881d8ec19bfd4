"""Real PostgreSQL and Redis in a temporary SERVICES_DIR, with the clone's binaries."""

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from services import postgres, redis
from services.paths import REPOSITORY, Layout, find_layout
from services.processes import find_processes, wait_until
from services.state import State, load_state

from .conftest import SETTINGS


@dataclass(frozen=True)
class Instances:
    """One set of services; commands run as a user runs them."""

    folder: Path

    def environment(self, **settings: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        return kept | {"SERVICES_DIR": str(self.folder)} | settings

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "services", *arguments],
            cwd=REPOSITORY,
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **settings) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def up(self, **settings: str) -> str:
        done = self.run("up", **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[0]

    @property
    def layout(self) -> Layout:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SERVICES_DIR", str(self.folder))
            return find_layout()

    @property
    def state(self) -> State:
        state = load_state(self.layout)
        assert state is not None
        return state

    def sql(self, statement: str) -> str:
        psql = Path(str(self.state.postgres_bin)) / "psql"
        command = [str(psql), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = subprocess.run(
            [*command, self.state.database_url],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Services that all tests of this module share."""
    instances = Instances(tmp_path_factory.mktemp("services"))
    try:
        instances.up()
        yield instances
    finally:
        instances.run("down", "--purge")


@pytest.fixture
def running(shared):
    """The shared services, brought up again after what the test before did."""
    shared.up()
    return shared


def kill_postmaster(instances: Instances) -> int:
    pid = postgres.find_postmaster(instances.layout)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def test_up_first_start_has_timescaledb_utf8_and_utc(running):
    running.sql("CREATE EXTENSION IF NOT EXISTS timescaledb")

    facts = running.sql(
        "SELECT count(*), current_setting('server_encoding'), "
        "current_setting('timezone'), current_setting('jit'), current_user "
        "FROM pg_extension WHERE extname = 'timescaledb'"
    )

    assert facts == "1|UTF8|UTC|off|marketdata"
    assert redis.ping(running.state.redis_port, running.state.redis_password)


def test_up_already_running_starts_nothing_and_keeps_addresses(running):
    before = running.run("env").stdout

    assert running.up() == "started: nothing, all is up"
    assert running.run("env").stdout == before
    assert re.search(r"^export DATABASE_URL=postgres://marketdata:\w+@127", before)
    assert (running.layout.env_file).read_text() == before
    assert running.layout.env_file.stat().st_mode & 0o777 == 0o600


def test_up_services_live_in_sessions_of_their_own(running):
    pids = [postgres.find_postmaster(running.layout)]
    pids += redis.find_servers(running.layout)

    assert len(pids) == 2
    assert os.getsid(0) not in [os.getsid(pid) for pid in pids]


def test_up_after_kill_9_of_both_brings_data_back(running):
    running.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    kill_postmaster(running)
    for pid in redis.find_servers(running.layout):
        os.kill(pid, signal.SIGKILL)

    assert running.up() == "started: PostgreSQL, Redis"
    assert running.sql("SELECT answer FROM kept") == "42"


def test_up_busy_orphan_of_a_killed_postmaster_is_ended(running):
    psql = Path(str(running.state.postgres_bin)) / "psql"
    # computes without waiting, so it does not notice that its postmaster is gone
    busy = "SELECT count(*) FROM generate_series(1, 1e12) AS n WHERE n % 7 = 3"
    with subprocess.Popen(
        [psql, "-X", "-c", busy, running.state.database_url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%n % 7 = 3'"
        assert wait_until(lambda: running.sql(active) == "1", 10)
        dead = kill_postmaster(running)

        assert running.up() == "started: PostgreSQL"

    assert postgres.find_postmaster(running.layout) not in {None, dead}


def test_up_pid_file_naming_another_live_process_starts(running):
    layout = running.layout
    running.run("down")
    running.up(DATABASE_URL="postgres://elsewhere/x")
    redis_pid = redis.find_servers(layout)[0]  # of the same user as PostgreSQL
    pid_file = postgres.data_folder(layout) / "postmaster.pid"
    pid_file.write_text(f"{redis_pid}\n{pid_file.parent}\n")

    assert running.up() == "started: PostgreSQL"
    assert redis.find_servers(layout) == [redis_pid]


def test_up_after_a_call_killed_while_making_data_starts(tmp_path):
    instances = Instances(tmp_path)
    with instances.start("up") as call:
        folder = instances.layout.postgres
        assert wait_until(lambda: any(folder.glob("new-*")), 60)
        call.kill()
        call.communicate()

    try:
        assert "PostgreSQL" in instances.up()
        assert instances.sql("SELECT 1") == "1"
        assert list(instances.layout.postgres.glob("new-*")) == []
    finally:
        instances.run("down", "--purge")


def test_up_two_at_once_start_each_service_once(running):
    running.run("down")

    calls = [running.start("up"), running.start("up")]
    outputs = [call.communicate(timeout=120)[0].splitlines()[0] for call in calls]

    assert sorted(outputs) == [
        "started: PostgreSQL, Redis",
        "started: nothing, all is up",
    ]
    assert [call.returncode for call in calls] == [0, 0]
    assert len(redis.find_servers(running.layout)) == 1


def test_up_automatic_port_taken_meanwhile_moves_to_another(running):
    old = running.state.redis_port
    for pid in redis.find_servers(running.layout):
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not redis.find_servers(running.layout), 10)

    with socket.create_server(("127.0.0.1", old)):
        assert running.up() == "started: Redis"

    assert running.state.redis_port != old
    assert f":{running.state.redis_port}/0" in running.run("env").stdout


def test_up_fixed_port_taken_names_owner_and_setting(tmp_path):
    instances = Instances(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        done = instances.run(
            "up", SERVICES_REDIS_PORT=str(port), DATABASE_URL="postgres://elsewhere/x"
        )

    assert done.returncode == 1
    assert "error (port_taken)" in done.stderr
    assert f"expected port {port} (SERVICES_REDIS_PORT) to be free" in done.stderr
    assert f"found process {os.getpid()} (" in done.stderr
    instances.run("down", "--purge")


def test_up_fixed_port_other_than_the_running_one_is_an_error(running, unused_port):
    done = running.run("up", SERVICES_PG_PORT=str(unused_port))

    assert done.returncode == 1
    assert f"PostgreSQL on port {unused_port} (SERVICES_PG_PORT)" in done.stderr


def test_up_both_addresses_set_starts_and_makes_nothing(tmp_path):
    instances = Instances(tmp_path / "none")
    urls = {"DATABASE_URL": "postgres://db/x", "REDIS_URL": "redis://cache/1"}

    done = instances.run("up", **urls)
    printed = instances.run("env", **urls)

    assert done.stdout.splitlines() == [
        "started: nothing, all is up",
        "PostgreSQL  external  -  -  -",
        "Redis  external  -  -  -",
    ]
    assert "export DATABASE_URL=postgres://db/x" in printed.stdout
    assert not instances.folder.exists()


def test_up_servers_on_path_are_used_without_a_download(running, tmp_path):
    instances = Instances(tmp_path)
    redis_server = Path(str(running.state.redis_server))
    path = f"{running.state.postgres_bin}:{redis_server.parent}:{os.environ['PATH']}"
    # a system folder, as pytest's is closed to the account when we are root
    settings = {"PATH": path, "SERVICES_CACHE": "/var/empty-services-cache"}

    try:
        assert instances.up(**settings) == "started: PostgreSQL, Redis"
        assert not Path("/var/empty-services-cache").exists()
        assert instances.state.postgres_bin == running.state.postgres_bin
    finally:
        instances.run("down", "--purge")


def test_down_stops_both_and_status_and_env_exit_1(running):
    layout = running.layout

    done = running.run("down")

    assert done.stdout == "stopped: Redis, PostgreSQL\n"
    assert find_processes(postgres.data_folder(layout), "postgres") == []
    assert redis.find_servers(layout) == []
    shown = running.run("status")
    assert shown.returncode == 1
    assert [line.split()[1] for line in shown.stdout.splitlines()] == ["stopped"] * 2
    missing = running.run("env")
    assert missing.returncode == 1
    assert "error (not_running): expected PostgreSQL to be running" in missing.stderr
    assert running.run("down").stdout == "stopped: nothing ran\n"


def test_status_running_tells_port_folder_and_version(running):
    shown = running.run("status")

    first = shown.stdout.splitlines()[0].split("  ")
    assert shown.returncode == 0
    assert first[:3] == ["PostgreSQL", "running", str(running.state.postgres_port)]
    assert first[3] == str(running.layout.postgres / "data")
    assert running.state.postgres_password not in shown.stdout


def test_down_purge_removes_data_and_leaves_foreign_files(tmp_path):
    instances = Instances(tmp_path)
    (tmp_path / "mine.txt").write_text("not made by services")
    instances.up(DATABASE_URL="postgres://elsewhere/x")
    layout = instances.layout
    assert layout.redis.is_dir()

    done = instances.run("down", "--purge")

    assert done.returncode == 0
    assert not layout.redis.exists()
    assert not layout.state_file.exists()
    assert sorted(os.listdir(tmp_path)) == ["lock", "mine.txt"]


def test_down_purge_folders_without_our_mark_are_refused(tmp_path):
    instances = Instances(tmp_path)
    layout = instances.layout
    layout.postgres.mkdir(parents=True)
    try:
        done = instances.run("down", "--purge")

        assert done.returncode == 1
        assert "error (unsafe_path)" in done.stderr
        assert layout.postgres.is_dir()
    finally:
        layout.postgres.rmdir()
        if layout.home != layout.folder:
            layout.home.rmdir()
