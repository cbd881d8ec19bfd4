"""The chaos' own PostgreSQL and Redis, killed and started again. Blocks."""

import signal

from services import ports, postgres, redis
from services.instances import up_postgres, up_redis
from services.paths import find_layout
from services.processes import locked, stop, wait_until
from services.state import State, load_state

STOP_TIMEOUT_S = 10.0


class OwnServices:
    """Those of SERVICES_DIR, on the ports that they have."""

    def __init__(self) -> None:
        self._layout = find_layout()

    def kill_postgres(self) -> None:
        """End it at once, without a checkpoint: what is committed is in its log."""
        pid = postgres.find_postmaster(self._layout)
        assert pid is not None, "PostgreSQL does not run"
        stop([pid], signal.SIGQUIT, STOP_TIMEOUT_S, postgres.NAME)
        postgres.end_orphans(self._layout)

    def start_postgres(self) -> None:
        """Start it where it was; returns when it has recovered."""
        with locked(self._layout.lock):
            state = self._state()
            _wait_for_port(state.postgres_port)
            up_postgres(self._layout, state)

    def restart_redis(self) -> None:
        """End it without a word to its clients, and start it empty."""
        pids = redis.find_servers(self._layout)
        stop(pids, signal.SIGKILL, STOP_TIMEOUT_S, redis.NAME)
        with locked(self._layout.lock):
            state = self._state()
            _wait_for_port(state.redis_port)
            up_redis(self._layout, state)

    def _state(self) -> State:
        state = load_state(self._layout)
        assert state is not None
        return state


def _wait_for_port(port: int | None) -> None:
    """Wait for the last thread of a killed server to give the port back.

    Else another port would be taken, where nobody looks for the service.
    """
    is_free = wait_until(lambda: ports.is_free(port or 0), STOP_TIMEOUT_S)
    assert is_free, f"another process took port {port}"
