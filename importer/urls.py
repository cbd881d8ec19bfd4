"""Addresses of the importer, mounted at the root of REST."""

from django.urls import re_path

from importer.views import CoverageView

urlpatterns = [
    re_path(r"^api/coverage/?$", CoverageView.as_view(), name="coverage"),
]
