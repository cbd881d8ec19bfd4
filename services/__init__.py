"""A private TimescaleDB and Redis for this clone, on a machine that has neither.

`up` starts what is missing and is safe to call at any time, `down` stops it. A
service whose DATABASE_URL or REDIS_URL is set is used as it is and never started.
Command line: python3 -m services --help
"""

from .errors import ServicesError
from .instances import Environment, Status, down, environment, status, up

__all__ = [
    "Environment",
    "ServicesError",
    "Status",
    "down",
    "environment",
    "status",
    "up",
]
