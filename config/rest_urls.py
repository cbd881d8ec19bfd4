"""Addresses that `history.rest_application` serves: async views, no middleware."""

from django.urls import include, path, re_path

from history.api_errors import not_found_view

urlpatterns = [
    path("", include("history.urls")),
    path("", include("importer.urls")),
    path("", include("brokers.urls")),
    re_path(r"", not_found_view),
]

handler400 = "history.api_errors.bad_request"
handler403 = "history.api_errors.permission_denied"
handler404 = "history.api_errors.not_found"
handler500 = "history.api_errors.server_error"
