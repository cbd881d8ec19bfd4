"""How the admin looks: its name, its colours, and what stands at its side."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def may(*permissions: str) -> Callable[[HttpRequest], bool]:
    """Return a check for one of the permissions, as `marketdata.view_instrument`."""

    def check(request: HttpRequest) -> bool:
        return any(request.user.has_perm(item) for item in permissions)

    return check


def _page(title: str, icon: str, address: str, *permissions: str) -> dict[str, Any]:
    link = reverse_lazy(f"admin:{address}")
    return {"title": title, "icon": icon, "link": link, "permission": may(*permissions)}


def _list(title: str, icon: str, model: str) -> dict[str, Any]:
    """Return the entry of a model, `app.model`; for whoever may look at it."""
    app, name = model.split(".")
    permissions = f"{app}.view_{name}", f"{app}.change_{name}"
    return _page(title, icon, f"{app}_{name}_changelist", *permissions)


def _group(title: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": bool(title), "items": list(items)}


NAVIGATION = [
    _group(
        "",
        {
            "title": "Dashboard",
            "icon": "monitoring",
            "link": reverse_lazy("admin:index"),
        },
        _page("Feeds", "sensors", "feeds", "brokers.view_feed"),
        _page("Live connections", "lan", "connections", "marketdata.view_connections"),
    ),
    _group(
        "Market data",
        _list("Instruments", "candlestick_chart", "marketdata.instrument"),
        _list("Broker symbols", "spellcheck", "marketdata.brokersymbol"),
        _list("Stored series", "database", "history.series"),
        {
            "title": "Coverage",
            "icon": "calendar_view_month",
            "link": reverse_lazy("coverage-page"),
        },
        _list("Import jobs", "download", "importer.importjob"),
    ),
    _group(
        "Brokers",
        _list("Brokers", "account_balance", "marketdata.broker"),
        _list("Accounts", "lock", "brokers.brokeraccount"),
    ),
    _group(
        "Clients",
        _list("API keys", "key", "marketdata.apikey"),
        _list("Plans", "rule", "marketdata.clientplan"),
    ),
    _group(
        "Administration",
        _list("Users", "person", "auth.user"),
        _list("Groups", "group", "auth.group"),
        _list("Periodic tasks", "schedule", "django_celery_beat.periodictask"),
    ),
]

# Blues of the page's icon; the steps are those of the package's own palette.
_PRIMARY = {
    "50": "oklch(97% .014 254.604)",
    "100": "oklch(93.2% .032 255.585)",
    "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)",
    "400": "oklch(70.7% .165 254.624)",
    "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(54.6% .245 262.881)",
    "700": "oklch(48.8% .243 264.376)",
    "800": "oklch(42.4% .199 265.638)",
    "900": "oklch(37.9% .146 265.522)",
    "950": "oklch(28.2% .091 267.935)",
}

UNFOLD = {
    "SITE_TITLE": "Market Data Server",
    "SITE_HEADER": "Market Data Server",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("page/icon.svg"),
        }
    ],
    "SCRIPTS": [lambda request: static("admin-pages/live.js")],
    "STYLES": [lambda request: static("admin-pages/admin.css")],
    "COLORS": {"primary": _PRIMARY},
    "DASHBOARD_CALLBACK": "config.dashboard.add_figures",
    "SIDEBAR": {"show_search": False, "navigation": NAVIGATION},
}
