"""Settings and wiring. Tasks are registered with the Celery application made here."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
