"""Values that are kept for a while, a bounded number of them."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Keeps values for ``kept_s`` seconds, of any clock; when full, the newest."""

    def __init__(self, *, kept_s: float, max_items: int) -> None:
        self._kept_s = kept_s
        self._max_items = max_items
        # All are kept equally long, so the oldest is the next to end.
        self._items: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str, now_s: float) -> T | None:
        """Return the value, None if it is not kept."""
        item = self._items.get(key)
        return item[1] if item is not None and now_s < item[0] else None

    def put(self, key: str, value: T, now_s: float) -> None:
        """Keep a value from now on."""
        self._items.pop(key, None)
        self._items[key] = (now_s + self._kept_s, value)
        if len(self._items) > self._max_items:
            self._items.popitem(last=False)
