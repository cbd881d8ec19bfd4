"""Stored broker accounts: their credentials, read and written, and never shown."""

import django.db
import structlog
from django.conf import settings
from django.db import transaction

from brokers.account_cipher import AccountCipher
from brokers.exceptions import AccountUnreadable
from brokers.models import BrokerAccount
from marketdata.broker_credentials import Credentials

log = structlog.get_logger(__name__)


def cipher() -> AccountCipher:
    """Return the cipher that the settings want.

    Raises:
        InvalidFeedSetting: BROKER_KEYS has something that is no key.
    """
    return AccountCipher(settings.BROKER_KEYS, settings.SECRET_KEY)


def stored_credentials(broker: str) -> Credentials | None:
    """Return the credentials of the broker's account, None if there is no active one.

    They win over those of the environment. Blocks.

    Raises:
        AccountUnreadable: they were encrypted with a key that is gone.
        django.db.Error: the database is away.
    """
    rows = BrokerAccount.objects.filter(broker_id=broker, is_active=True)
    encrypted = rows.values_list("encrypted", flat=True).first()
    return None if encrypted is None else cipher().decrypt(encrypted)


def usable_credentials(broker: str) -> Credentials | AccountUnreadable | None:
    """Return as ``stored_credentials``, None as well while the database is away.

    The error takes the place of credentials that no key decrypts: those of the
    environment, perhaps another account, are not to be used in their place.
    """
    if not settings.DATABASE_URL:
        return None
    try:
        return stored_credentials(broker)
    except AccountUnreadable as exc:
        return exc
    except django.db.Error as exc:
        log.warning("stored account not used", broker=broker, error=str(exc).strip())
        return None
    finally:
        django.db.connection.close()


def rotate_keys() -> tuple[int, list[str]]:
    """Encrypt all accounts with the first key; return how many, and unreadable ones.

    Those stay as they are.
    """
    rotated, unreadable, now = 0, [], cipher()
    with transaction.atomic():
        for account in BrokerAccount.objects.select_for_update().order_by("broker"):
            try:
                account.encrypted = now.rotate(account.encrypted)
            except AccountUnreadable:
                unreadable.append(account.broker_id)
            else:
                account.save(update_fields=["encrypted"])
                rotated += 1
    return rotated, unreadable
