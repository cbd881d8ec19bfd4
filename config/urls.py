"""Addresses of the HTTP side; WebSocket paths are in `config.asgi`."""

from django.contrib import admin
from django.urls import include, path

from marketdata.views import index

urlpatterns = [
    path("", index),
    path("admin/", admin.site.urls),
    path("", include("history.urls")),
]

# Every error that is not a page of the admin is JSON, whoever raised it.
handler400 = "history.api_errors.bad_request"
handler403 = "history.api_errors.permission_denied"
handler404 = "history.api_errors.not_found"
handler500 = "history.api_errors.server_error"
