"""REST of the brokers: which there are, and whether their records come in."""

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from brokers.broker_bodies import SELECT_BROKERS, BrokerBody, broker_bodies
from history.api_errors import json_response
from history.api_schema import documented
from history.endpoint import Endpoint


@documented("brokers", list[BrokerBody])
class BrokersView(Endpoint):
    """Every broker, with its state as the stored records tell it."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer all of them, by name."""
        rows = await request.services.lookups.fetch(SELECT_BROKERS)
        body = broker_bodies(
            rows,
            configured=settings.BROKERS_ENABLED,
            silence_s=settings.FEED_SILENCE_S,
            now_s=time.time(),
        )
        return json_response(body)
