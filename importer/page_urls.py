"""Addresses of the coverage page, on Django's side: they need a session."""

from django.urls import path, re_path

from importer.coverage_page import change_job, coverage_page, import_jobs

urlpatterns = [
    re_path(r"^coverage/?$", coverage_page, name="coverage-page"),
    path("coverage/jobs", import_jobs),
    re_path(r"^coverage/jobs/(?P<job_id>\d{1,18})/(?P<verb>stop|retry)$", change_job),
]
