"""Instruments and their broker symbols, plans and API keys in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from marketdata.account_store import make_api_key
from marketdata.models import ApiKey, Broker, BrokerSymbol, ClientPlan, Instrument

KEY_LABELS = {"active": "success", "expired": "warning", "revoked": "danger"}


class BrokerSymbolInline(TabularInline):
    model = BrokerSymbol
    extra = 0

    def formfield_for_dbfield(
        self, db_field: Field, request: HttpRequest, **options: Any
    ) -> Any:
        """Return the form's field with a name that is read aloud; its label is not."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None:
            field.widget.attrs["aria-label"] = str(db_field.verbose_name)
        return field


@admin.register(Instrument)
class InstrumentAdmin(ModelAdmin):
    list_display = ["symbol", "display", "type", "decimals", "broker", "record"]
    list_editable = ["broker", "record"]
    list_filter = ["type", "record", "broker_symbols__broker"]
    search_fields = ["symbol", "broker_symbols__symbol"]
    list_select_related = ["broker"]
    inlines = [BrokerSymbolInline]


@admin.register(Broker)
class BrokerAdmin(ModelAdmin):
    list_display = ["name", "title", "is_simulated", "is_enabled"]
    list_editable = ["is_enabled"]


@admin.register(BrokerSymbol)
class BrokerSymbolAdmin(ModelAdmin):
    list_display = ["broker", "symbol", "instrument", "price_scale", "first_tick"]
    list_filter = ["broker"]
    search_fields = ["symbol", "instrument__symbol"]
    autocomplete_fields = ["instrument"]


@admin.register(ClientPlan)
class ClientPlanAdmin(ModelAdmin):
    list_display = [
        "name",
        "subscriptions",
        "requests_per_s",
        "connections",
        "since_days",
        "rest_requests_per_min",
    ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ClientPlan | None = None
    ) -> list[str]:
        """Keep the name: keys and tokens have it."""
        return ["name"] if obj else []


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Shows a key once, on the page that answers its making."""

    list_display = ["name", "prefix", "plan", "created", "last_used", "expires"]
    list_display += ["state"]
    list_filter = ["plan", "is_active"]
    list_select_related = ["plan"]
    actions = ["revoke"]
    search_fields = ["name", "prefix"]
    fields = ["name", "plan", "expires", "is_active"]
    readonly_fields = ["prefix", "created", "last_used"]

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        """Show of a key what tells it apart."""
        return [*self.fields, *self.readonly_fields] if obj else self.fields

    @display(description="state", label=KEY_LABELS)
    def state(self, key: ApiKey) -> str:
        """Return whether the key may be used."""
        if not key.is_active:
            return "revoked"
        is_over = key.expires is not None and key.expires <= timezone.now()
        return "expired" if is_over else "active"

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Have the chosen keys refused; the rows stay, so who had them is known."""
        count = 0
        for key in queryset.filter(is_active=True):
            key.is_active = False
            key.save(update_fields=["is_active"])
            self.log_change(request, key, "Revoked.")
            count += 1
        messages.success(request, f"{count} keys revoked: refused within 30 s")

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Any, change: bool
    ) -> None:
        """Save the form; a new row gets its key."""
        if not change:
            obj.prefix, obj.hashed_key, request.new_api_key = make_api_key()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, *args: Any, **more: Any
    ) -> HttpResponse:
        """Show the key; nothing keeps it, as a message of Django's would."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"API key of {obj.name}",
            "key": request.new_api_key,
            "opts": self.opts,
        }
        template = "admin/marketdata/apikey/made.html"
        response = TemplateResponse(request, template, context)
        add_never_cache_headers(response)
        return response
