"""Addresses of TradingView's datafeed protocol, mounted at `/udf/`."""

from django.urls import re_path

from history.udf_views import (
    UdfConfigView,
    UdfHistoryView,
    UdfMarksView,
    UdfSearchView,
    UdfSymbolsView,
    UdfTimeView,
)

urlpatterns = [
    re_path(r"^config/?$", UdfConfigView.as_view(), name="udf-config"),
    re_path(r"^symbols/?$", UdfSymbolsView.as_view(), name="udf-symbols"),
    re_path(r"^search/?$", UdfSearchView.as_view(), name="udf-search"),
    re_path(r"^history/?$", UdfHistoryView.as_view(), name="udf-history"),
    re_path(r"^time/?$", UdfTimeView.as_view(), name="udf-time"),
    re_path(r"^marks/?$", UdfMarksView.as_view(), name="udf-marks"),
    re_path(r"^timescale_marks/?$", UdfMarksView.as_view(), name="udf-timescale-marks"),
]
