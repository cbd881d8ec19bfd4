"""Which accounts are put in use, while the database answers, or does not."""

import asyncio

import django.db

from brokers.account_watch import AccountWatch
from brokers.exceptions import AccountUnreadable, InvalidCredentials
from marketdata.broker_credentials import Credentials
from tests.marketdata.polling import until

ONE, TWO = Credentials({"apiKey": "one"}), Credentials({"apiKey": "two"})
EQUAL = Credentials({"apiKey": "one"})


async def test_only_changes_that_could_be_read_are_used_each_once() -> None:
    answers = [EQUAL, django.db.Error(), AccountUnreadable(), TWO, TWO, None, None, ONE]
    asked, used = 0, []

    async def load() -> Credentials | None:
        nonlocal asked
        answer = answers[min(asked, len(answers) - 1)]
        asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def use(account: Credentials | None) -> None:
        used.append(account)
        if account == TWO:
            raise InvalidCredentials("apiKey cannot be used")

    watch = AccountWatch("fake", ONE, load, use)
    running = asyncio.create_task(watch.run(0.001))
    await until(lambda: asked > len(answers) + 2)
    running.cancel()

    assert used == [TWO, None, ONE]
