"""Addresses of Django's side: pages. REST is in `config.rest_urls`."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from marketdata.views import index

admin.autodiscover()  # see INSTALLED_APPS

urlpatterns = [
    path("", index),
    path("", include("importer.page_urls")),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(), name="docs"),
    # Server A's address.
    re_path(r"^(?:api-docs|api/docs)/?$", RedirectView.as_view(pattern_name="docs")),
    path("api/schema", RedirectView.as_view(pattern_name="schema")),
]

# Every error that is not a page of the admin is JSON, whoever raised it.
handler400 = "history.api_errors.bad_request"
handler403 = "history.api_errors.permission_denied"
handler404 = "history.api_errors.not_found"
handler500 = "history.api_errors.server_error"
