"""Other servers at the same work, where their programs and files are.

nchan (nginx), a Node gateway that encodes once, and the limit: a C loop of send().
"""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fanout.clients import Request
from benchmarks.fanout.delivery import Load
from benchmarks.fanout.processes import (
    Process,
    free_port,
    running,
    server_core,
    wait_until,
)
from benchmarks.fanout.streams import Marks
from benchmarks.fanout.targets import GATEWAY_MARKS, Target, redis_source

NAMES = ("nchan", "node", "c-loop")
_NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_C_MARKS = Marks(stamp=re.compile(rb'"ts":(\d{19})'))
_READY_S = 20.0


class Unavailable(Exception):
    """Raised when a peer cannot run here; the text says what is missing."""


class Peers:
    """Starts peers; ``folder`` has their files, ``modules`` is Node's node_modules."""

    def __init__(self, folder: Path, modules: Path | None, redis_port: int) -> None:
        self._folder = folder
        self._modules = modules
        self._redis_port = redis_port

    @contextlib.contextmanager
    def running(self, name: str, load: Load) -> Iterator[Target]:
        """Run a peer, on the first core.

        Raises:
            Unavailable: this machine has not what it needs.
        """
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            folder.chmod(0o755)  # nginx's worker is somebody else
            if name == "nchan":
                context = self._nchan(folder)
            elif name == "node":
                context = self._node(folder)
            else:
                context = self._c_loop(folder, load)
            with context as target:
                yield target

    @contextlib.contextmanager
    def _nchan(self, folder: Path) -> Iterator[Target]:
        nginx = _program("nginx")
        if not _NCHAN_MODULE.is_file():
            raise Unavailable(f"no {_NCHAN_MODULE} (Debian: libnginx-mod-nchan)")
        port = free_port()
        text = self._file("peer_nchan.conf").read_text()
        (folder / "nginx.conf").write_text(text.replace(":9003", f":{port}"))
        argv = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        script = self._file("nchan_publish.py")
        with running(argv, core=server_core()) as process:
            wait_until(lambda: _listens(port), timeout_s=_READY_S)
            yield Target(
                "nchan",
                port,
                (process,),
                lambda number: Request(f"/sub/S{number}"),
                GATEWAY_MARKS,
                ScriptSource([sys.executable, str(script), str(port)]),
            )

    @contextlib.contextmanager
    def _node(self, folder: Path) -> Iterator[Target]:
        node = _program("node")
        if self._modules is None or not (self._modules / "ws").is_dir():
            raise Unavailable("no node_modules with ws and ioredis (--node-modules)")
        port = free_port()
        script = shutil.copy(self._file("peer_node_gateway.mjs"), folder)
        (folder / "node_modules").symlink_to(self._modules.resolve())
        settings = {
            "MODE": "once",
            "PORT": str(port),
            "REDIS_PORT": str(self._redis_port),
        }
        argv = [node, str(script)]
        with (
            running(argv, core=server_core(), environment=settings) as process,
            redis_source(self._redis_port) as source,
        ):
            wait_until(lambda: _listens(port), timeout_s=_READY_S)
            yield Target("node", port, (process,), _node_request, GATEWAY_MARKS, source)

    @contextlib.contextmanager
    def _c_loop(self, folder: Path, load: Load) -> Iterator[Target]:
        gcc, program = _program("gcc"), str(folder / "loop")
        source = str(self._file("limit_send_loop.c"))
        subprocess.run([gcc, "-O2", "-w", "-o", program, source], check=True)
        port = free_port()
        figures = (port, load.clients, load.rate, load.seconds)
        with running([program, *map(str, figures)], core=server_core()) as process:
            # It counts connections, so nobody may try whether it listens.
            wait_until(lambda: _is_bound(port), timeout_s=_READY_S)
            yield Target(
                "c-loop",
                port,
                (process,),
                lambda number: Request("/"),
                _C_MARKS,
                LoopSource(process),
            )

    def _file(self, name: str) -> Path:
        path = self._folder / name
        if not path.is_file():
            raise Unavailable(f"no {path}")
        return path


class ScriptSource:
    """A `Source` that is a script: arguments rate, topics, seconds; it logs a count."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._process: subprocess.Popen[str] | None = None
        self._sent: int | None = 0

    def start(self, rate: float, topics: int, seconds: float) -> None:
        """Begin to send; returns at once."""
        self._sent = None
        argv = [*self._argv, str(rate), str(topics), str(seconds)]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def sent(self) -> int | None:
        """Return how many records were sent, None while it sends."""
        process = self._process
        if self._sent is None and process is not None and process.poll() is not None:
            self._sent = int(process.communicate()[1])
        return self._sent


class LoopSource:
    """The C loop's `Source`: it begins by itself 2 s after the last client came."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sent: int | None = None

    def start(self, rate: float, topics: int, seconds: float) -> None:
        """Do nothing."""

    def sent(self) -> int | None:
        """Return how many records were sent, None while it sends."""
        # Left unreaped, because its CPU time is still to be read.
        state = Path(f"/proc/{self._process.pid}/stat").read_text()
        if self._sent is None and state.rpartition(")")[2].split()[0] == "Z":
            found = re.search(r"\((\d+) ticks\)", self._process.line())
            self._sent = int(found[1]) if found else 0
        return self._sent


def _node_request(number: int) -> Request:
    text = f'{{"action":"subscribe","symbols":["S{number}"]}}'
    return Request("/", (text,), b'"currentSubscriptions"')


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin")
    if found is None:
        raise Unavailable(f"no {name}")
    return found


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _is_bound(port: int) -> bool:
    text = Path("/proc/net/tcp").read_text()
    return f"0100007F:{port:04X} 00000000:0000 0A" in text
