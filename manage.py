#!/usr/bin/env python
"""Run a management command: `python manage.py help` lists them."""

import gc
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    # Imports make objects that stay: looking for garbage among them took a fifth of the
    # time of a start. `config.apps` enables it again when all apps are there.
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)
