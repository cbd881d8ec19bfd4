"""Errors of the services package, each with a stable code.

ServicesError
├── UnsupportedMachineError   this machine cannot run private services
├── DownloadFailedError       packages could not be fetched or unpacked
├── PortTakenError            a port fixed by the user is in use
├── StartFailedError          a service did not come up
├── StopFailedError           a service did not go down
├── NotRunningError           the environment was asked for, but is not up
├── UnsafePathError           a folder is not ours to delete or to use
└── VenvFailedError           the virtual environment could not be made
"""

from __future__ import annotations

ALTERNATIVES = (
    "Other ways: 'docker compose up', or set DATABASE_URL (PostgreSQL with "
    "TimescaleDB) and REDIS_URL to servers that you run."
)


class ServicesError(Exception):
    """Raised when the services cannot do what was asked; the text says why."""

    code = "services_error"


class UnsupportedMachineError(ServicesError):
    """Raised when this machine lacks what private services need."""

    code = "unsupported_machine"

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}\n{ALTERNATIVES}")
        self.problem = problem


class DownloadFailedError(ServicesError):
    """Raised when packages could not be fetched, unpacked or made to run."""

    code = "download_failed"

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}\n{ALTERNATIVES}")
        self.problem = problem


class PortTakenError(ServicesError):
    """Raised when a port fixed by a setting is in use by another process."""

    code = "port_taken"

    def __init__(self, port: int, setting: str, owner: str) -> None:
        super().__init__(
            f"expected port {port} ({setting}) to be free, found {owner} listening "
            f"on it; stop that process, or change or unset {setting}"
        )
        self.port = port
        self.setting = setting
        self.owner = owner


class StartFailedError(ServicesError):
    """Raised when a service did not come up; carries the end of its log."""

    code = "start_failed"

    def __init__(self, service: str, problem: str, log_tail: str = "") -> None:
        text = f"{service} did not start: {problem}"
        super().__init__(f"{text}\n{log_tail}".rstrip())
        self.service = service
        self.problem = problem


class StopFailedError(ServicesError):
    """Raised when a service is still alive after the time to stop is over."""

    code = "stop_failed"


class NotRunningError(ServicesError):
    """Raised when the environment is asked for and a service is not up."""

    code = "not_running"

    def __init__(self, service: str) -> None:
        super().__init__(
            f"expected {service} to be running, found it stopped; "
            "start it with: python3 -m services up"
        )
        self.service = service


class UnsafePathError(ServicesError):
    """Raised when a folder was not made by this package, or cannot be used."""

    code = "unsafe_path"


class VenvFailedError(ServicesError):
    """Raised when the virtual environment could not be made or filled."""

    code = "venv_failed"
