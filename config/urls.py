"""Addresses of the HTTP side; WebSocket paths are in `config.asgi`."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("history.urls")),
]
