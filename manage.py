#!/usr/bin/env python
"""Run a management command: `python manage.py help` lists them."""

import gc
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

EXIT_INTERRUPTED = 130  # 128 and SIGINT's number, as shells have it

if __name__ == "__main__":
    # Imports make objects that stay: looking for garbage among them took a fifth of the
    # time of a start. `config.apps` enables it again when all apps are there.
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        sys.exit(f"manage.py: {exc}")
    except KeyboardInterrupt:  # during the start, or in a command of Django's
        sys.stderr.write("manage.py: stopped\n")
        sys.exit(EXIT_INTERRUPTED)
