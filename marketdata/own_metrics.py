"""The metrics of this process: whoever counts something adds a source of it."""

import os
import socket
from collections.abc import Callable, Iterable

from prometheus_client import ProcessCollector

from marketdata.metric_families import Family, from_library, gauge
from marketdata.process_messages import ProcessMetrics

Source = Callable[[], Iterable[Family]]

_INFO = "1 for each process that answered."


class OwnMetrics:
    """Sources of metrics, asked when somebody wants to know; nobody pays before.

    ``role`` is what the process is for: `web` or `feed`.
    """

    def __init__(self) -> None:
        self.role = "web"
        self._sources: list[Source] = []
        self._process = ProcessCollector(registry=None)

    def add(self, source: Source) -> None:
        """Ask this, too, from now on."""
        self._sources.append(source)

    def remove(self, source: Source) -> None:
        """Ask this no more."""
        self._sources.remove(source)

    def answer(self) -> ProcessMetrics:
        """Return all, and whose they are."""
        process = f"{socket.gethostname()}:{os.getpid()}"
        return ProcessMetrics({"role": self.role, "process": process}, self.families())

    def families(self) -> list[Family]:
        """Return all, with memory, descriptors and CPU time of the process."""
        families = [gauge("marketdata_process", _INFO, 1)]
        families += from_library(self._process.collect())
        for source in self._sources:
            families += source()
        return families


# The one of this process, for those who count in it.
own_metrics = OwnMetrics()
