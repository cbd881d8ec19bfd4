"""Which brokers are enabled: as configured, unless somebody switched one. Pure."""

from collections.abc import Iterable, Mapping


def enabled_brokers(
    configured: Iterable[str], switches: Mapping[str, bool | None]
) -> list[str]:
    """Return the enabled brokers, those of the configuration first.

    ``switches`` are the admin's, by broker; None leaves it to the configuration.
    """
    names = dict.fromkeys([*configured, *(name for name in switches if switches[name])])
    return [name for name in names if switches.get(name) is not False]
