"""Finds which instruments make OANDA refuse a request: it does not say. Pure.

Which instruments an account may see depends on its division of OANDA, and one that it
may not see costs all others their stream.
"""

from collections.abc import Awaitable, Callable, Sequence

# A probe is a request, two a second: this is 12 s, below the runner's watchdog. One of
# 40 instruments is found by 6 to 10.
MAX_PROBES = 24
# With as many refused and none taken it is not the instruments.
MAX_HOPELESS = 8

IsTaken = Callable[[Sequence[str]], Awaitable[bool]]


async def find_unknown(instruments: Sequence[str], is_taken: IsTaken) -> set[str]:
    """Return those that are refused, by halving what is refused as a whole.

    Empty if they cannot be found with the requests that it may take.
    """
    refused, unknown = [instruments], set()
    probes, has_hope = 0, False
    while refused:
        group = refused.pop()
        if len(group) == 1:
            unknown.add(group[0])
            continue
        left, right = group[: len(group) // 2], group[len(group) // 2 :]
        for half in (left, right):
            probes += 1
            if probes > MAX_PROBES or (probes > MAX_HOPELESS and not has_hope):
                return set()
            if not await is_taken(half):
                refused.append(half)
                continue
            has_hope = True
            if half is left:  # then it is the other one, without asking
                refused.append(right)
                break
    return unknown
