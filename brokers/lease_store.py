"""The leases of a broker in the database: a row each, one statement each. Blocks.

Times are compared by the database's clock, so those of the machines do not matter. A
process that does not hold the lease changes nothing and locks nothing.
"""

import os
import secrets
import socket
import time
from enum import Enum
from typing import Any

import django.db
from django.db import connection

from brokers.exceptions import LeaseLost


class Leased(Enum):
    """What one process of a broker does at a time; the value is the rows' table."""

    FEED = "brokers_feed"
    PRIVATE_FEEDS = "brokers_privatefeeds"


_ADD = """
INSERT INTO {table} (broker_id, epoch, holder) VALUES (%s, 0, '')
ON CONFLICT DO NOTHING
"""
_TAKE = """
UPDATE {table}
SET epoch = GREATEST(epoch + 1, %(epoch)s),
    holder = %(holder)s,
    claimed = clock_timestamp(),
    renewed = clock_timestamp()
WHERE broker_id IN (
        -- Its recorder locks the row while it stores: it lives, and shall go on.
        SELECT broker_id
        FROM {table}
        WHERE broker_id = %(broker)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    AND (
        holder = ''
        OR renewed IS NULL
        OR renewed < clock_timestamp() - make_interval(secs => %(expiry_s)s)
    )
RETURNING epoch
"""
_ADOPT = """
UPDATE {table}
SET epoch = %(epoch)s,
    holder = %(holder)s,
    claimed = clock_timestamp(),
    renewed = clock_timestamp()
WHERE broker_id = %(broker)s AND epoch < %(epoch)s
"""
_RENEW = """
UPDATE {table}
SET renewed = clock_timestamp()
WHERE broker_id = %(broker)s AND epoch = %(epoch)s AND holder = %(holder)s
"""
_RELEASE = """
UPDATE {table}
SET holder = '', renewed = NULL
WHERE broker_id = %(broker)s AND holder = %(holder)s
"""
# A process that was stopped in a transaction must not hold the row from a standby.
_CHECK = """
SELECT epoch, set_config('idle_in_transaction_session_timeout', '10s', true)
FROM brokers_feed
WHERE broker_id = %s
FOR SHARE
"""
_FOREVER_S = 1e9


def process_name() -> str:
    """Return a name that no other process has: `host:pid:random`."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class LeaseStore:
    """A row of one broker, for one process.

    Every method may raise django.db.Error: then it is unknown whether it was done. The
    next call opens another connection. They keep to one thread.
    """

    def __init__(self, broker: str, holder: str, leased: Leased = Leased.FEED) -> None:
        self.broker = broker
        self.holder = holder
        self._table = leased.value

    def take(self, epoch: int, expiry_s: float | None) -> int | None:
        """Return our new epoch, ``epoch`` at least; None while another has the lease.

        It is free when its holder gave it up, or has not renewed it for ``expiry_s``;
        None does not look at that. Nor does a database that was slow to answer: the
        holder's renewal waited as we did.

        Raises:
            django.db.IntegrityError: there is no such broker.
        """
        began_s = time.monotonic()
        self._execute(_ADD, [self.broker])
        limit_s = _FOREVER_S if expiry_s is None else expiry_s
        if time.monotonic() - began_s > limit_s / 2:
            limit_s = _FOREVER_S
        rows = self._execute(_TAKE, self._values(epoch, expiry_s=limit_s))
        return int(rows[0][0]) if rows else None

    def adopt(self, epoch: int) -> bool:
        """Take the lease under an epoch that is in use already; True if it is ours.

        The higher epoch wins, as it does with the hubs: whoever holds the lease under a
        lower one is published in vain since ours began.
        """
        self._execute(_ADD, [self.broker])
        return bool(self._execute(_ADOPT, self._values(epoch)))

    def renew(self, epoch: int) -> bool:
        """Show that we live; False if the lease is not ours any more."""
        return bool(self._execute(_RENEW, self._values(epoch)))

    def release(self) -> None:
        """Let another process take the lease at once; nothing if it is not ours."""
        values = {"broker": self.broker, "holder": self.holder}
        self._execute(_RELEASE, values)

    def close(self) -> None:
        """Close the thread's connection."""
        connection.close()

    def _values(self, epoch: int, **more: float) -> dict[str, Any]:
        return {"broker": self.broker, "holder": self.holder, "epoch": epoch, **more}

    def _execute(self, sql: str, values: Any) -> list[Any]:
        """Return the rows; of a statement without rows one for each row changed."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql.format(table=self._table), values)
                if cursor.description:
                    return list(cursor.fetchall())
                return [None] * cursor.rowcount
        except django.db.Error:
            connection.close()
            raise


def check_lease(cursor: Any, broker: str, epoch: int) -> None:
    """Make sure that no process of a higher epoch stores, to the transaction's end.

    Nothing can be stored of a broker that the database does not know.

    Raises:
        LeaseLost: another process has taken the lease.
        django.db.OperationalError: the lease is not ours yet, try again.
    """
    cursor.execute(_CHECK, [broker])
    row = cursor.fetchone()
    if row is None:
        cursor.execute("SELECT FROM marketdata_broker WHERE name = %s", [broker])
        if cursor.fetchone() is None:
            return
    if row is None or row[0] < epoch:
        raise django.db.OperationalError(f"the lease of {broker} is not ours yet")
    if row[0] > epoch:
        raise LeaseLost(broker)
