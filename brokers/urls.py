"""Addresses of the brokers, mounted at the root of REST."""

from django.urls import re_path

from brokers.views import BrokersView

urlpatterns = [re_path(r"^api/brokers/?$", BrokersView.as_view(), name="brokers")]
