"""The page at `/`; live data come over WebSocket, not from views."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def index(request: HttpRequest) -> HttpResponse:
    """Show what runs here and where to go."""
    return render(request, "index.html")
