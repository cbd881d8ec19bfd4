"""`manage.py refresh_mvs`: server A's name for `refresh_candles` (COMPAT A-IM-13)."""

from history.management.commands.refresh_candles import Command

__all__ = ["Command"]
