"""Addresses of a process that serves WebSockets only: none, in the shape of errors."""

from django.urls import re_path

from history.api_errors import not_found_view

urlpatterns = [re_path(r"", not_found_view)]

handler400 = "history.api_errors.bad_request"
handler403 = "history.api_errors.permission_denied"
handler404 = "history.api_errors.not_found"
handler500 = "history.api_errors.server_error"
