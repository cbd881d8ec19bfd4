"""How imports in the background get on, for Prometheus."""

from history.reader import Reader
from importer.models import JobState
from marketdata.metric_families import Family, Sample

MAX_RUNNING = 100  # jobs with a sample of their own, the oldest

_COUNTS = "SELECT state, count(*) FROM import_jobs GROUP BY state"
_RUNNING = f"""
    SELECT id, symbol, hours_done::float8 / greatest(hours_total, 1), ticks
    FROM import_jobs WHERE state = '{JobState.RUNNING}' ORDER BY id LIMIT {MAX_RUNNING}
"""


async def import_metrics(reader: Reader) -> list[Family]:
    """Return jobs by state, and of each that runs the share that is done and its ticks.

    Raises:
        DatabaseUnavailable, psycopg.Error: as the reader says.
    """
    counts = dict(await reader.fetch(_COUNTS))
    running = await reader.fetch(_RUNNING)
    states: list[Sample] = [
        ("", {"state": state}, float(counts.get(state, 0))) for state in JobState.values
    ]
    done: list[Sample] = []
    ticks: list[Sample] = []
    for job, symbol, share, count in running:
        # Not `job`: that label is Prometheus's own.
        labels = {"import": str(job), "symbol": symbol}
        done.append(("", labels, float(share)))
        ticks.append(("", labels, float(count)))
    return [
        Family("marketdata_import_jobs", "gauge", "Import jobs.", states),
        Family(
            "marketdata_import_done_ratio", "gauge", "Hours that are through.", done
        ),
        Family("marketdata_import_ticks", "gauge", "Ticks read so far.", ticks),
    ]
