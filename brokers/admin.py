"""Our accounts at brokers in the admin: entered, tested, never shown."""

from typing import Any

from asgiref.sync import async_to_sync
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminPasswordWidget

from brokers.account_check import check_account
from brokers.account_store import cipher
from brokers.exceptions import AccountUnreadable, BrokerError, InvalidCredentials
from brokers.instruments import followed_instruments
from brokers.models import BrokerAccount
from brokers.registry import adapter_of, build_feed, private_names
from marketdata.broker_credentials import MAX_CHARS, Credentials
from marketdata.catalog_store import load_catalog

# By what clients call them in `authenticate`.
FIELDS = {
    "token": "Token",
    "accountId": "Account ID",
    "apiKey": "API key",
    "apiSecret": "API secret",
}


def _brokers_with(field: str) -> str:
    names = [
        name for name in private_names() if field in adapter_of(name).credential_fields
    ]
    return f"Of {', '.join(names)}" if names else "Of no broker"


class BrokerAccountForm(forms.ModelForm):
    """Takes credentials and gives none back: what is left empty stays as it is."""

    class Meta:
        model = BrokerAccount
        fields = ["broker", "is_active"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, label in FIELDS.items():
            self.fields[name] = forms.CharField(
                label=label,
                required=False,
                max_length=MAX_CHARS,
                widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
                help_text=f"{_brokers_with(name)}. Empty: as it is; never shown.",
            )

    def clean(self) -> dict[str, Any]:
        """Check that there is an account to store."""
        cleaned = super().clean() or self.cleaned_data
        broker = cleaned.get("broker") or self.instance.broker
        if broker is None:
            return cleaned
        if broker.name not in private_names():
            raise forms.ValidationError(f"{broker.name} has no accounts.")
        entered = {name: cleaned[name] for name in FIELDS if cleaned.get(name)}
        unknown = entered.keys() - set(adapter_of(broker.name).credential_fields)
        if unknown:
            known = ", ".join(adapter_of(broker.name).credential_fields)
            raise forms.ValidationError(f"Accounts of {broker.name} have {known}.")
        stored = {}
        if self.instance.encrypted and self.instance.broker_id == broker.name:
            try:
                stored = cipher().decrypt(self.instance.encrypted).reveal()
            except AccountUnreadable:
                if not entered:
                    raise forms.ValidationError(
                        "No key reads the stored account: enter all of it."
                    ) from None
        if not stored and not entered:
            raise forms.ValidationError("Enter the account's credentials.")
        if entered:
            account = Credentials(stored | entered)
            try:
                build_feed(broker.name, settings, account)
            except InvalidCredentials as exc:
                raise forms.ValidationError(account.hide(str(exc))) from None
            self.instance.encrypted = cipher().encrypt(account)
        return cleaned


@admin.register(BrokerAccount)
class BrokerAccountAdmin(ModelAdmin):
    """Accounts by broker; what they consist of can be replaced and tested."""

    form = BrokerAccountForm
    list_display = ["broker", "is_active", "changed"]
    fields = ["broker", "is_active", *FIELDS]
    actions = ["test_connection"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields; those of credentials are the form's own."""
        return self.fields

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """Return the form; Django would look for fields of the model."""
        return super().get_form(
            request, obj, **options | {"fields": ["broker", "is_active"]}
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep the broker: credentials of one are no other's."""
        return ["broker"] if obj else []

    @method_decorator(sensitive_post_parameters())
    def changeform_view(self, *args: Any, **options: Any) -> HttpResponse:
        """Answer the form's page; reports of errors leave out what was entered."""
        return super().changeform_view(*args, **options)

    @admin.action(description="Test connection", permissions=["change"])
    def test_connection(
        self, request: HttpRequest, queryset: QuerySet[BrokerAccount]
    ) -> None:
        """Ask each broker whether it accepts the account."""
        catalog = load_catalog()
        for account in queryset:
            name = account.broker_id
            probe = followed_instruments(catalog, name)[:1]
            try:
                credentials = cipher().decrypt(account.encrypted)
                check = async_to_sync(check_account)
                check(name, credentials, settings, probe)
            except BrokerError as exc:
                self.message_user(request, f"{name}: {exc}", messages.ERROR)
            else:
                self.message_user(request, f"{name} accepts the account.")
