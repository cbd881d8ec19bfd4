"""The admin's app: its site and pages are made where they are served, not before."""

from django.contrib.admin.apps import SimpleAdminConfig


class AdminConfig(SimpleAdminConfig):
    """The admin without its pages, which `config.urls` looks for.

    Feeds and commands start without all that they import.
    """

    default_site = "unfold.sites.UnfoldAdminSite"
