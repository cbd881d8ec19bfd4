"""The last of the apps: when it is ready, everything is imported."""

import gc

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Wiring of the other apps; no models."""

    name = "config"

    def ready(self) -> None:
        """Let the garbage collector work again, that `manage.py` has stopped.

        What has been imported stays for good, so it is left out of all collections.
        """
        gc.freeze()
        gc.enable()
