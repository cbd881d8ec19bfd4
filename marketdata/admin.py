"""Instruments and their broker symbols in the admin."""

from django.contrib import admin

from marketdata.models import Broker, BrokerSymbol, Instrument


class BrokerSymbolInline(admin.TabularInline):
    model = BrokerSymbol
    extra = 1


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    list_display = ["symbol", "display", "type", "decimals", "broker", "record"]
    list_editable = ["broker", "record"]
    list_filter = ["type", "record", "broker_symbols__broker"]
    search_fields = ["symbol", "broker_symbols__symbol"]
    list_select_related = ["broker"]
    inlines = [BrokerSymbolInline]


@admin.register(Broker)
class BrokerAdmin(admin.ModelAdmin):
    list_display = ["name", "title", "is_simulated"]


@admin.register(BrokerSymbol)
class BrokerSymbolAdmin(admin.ModelAdmin):
    list_display = ["broker", "symbol", "instrument", "price_scale", "first_tick"]
    list_filter = ["broker"]
    search_fields = ["symbol", "instrument__symbol"]
    autocomplete_fields = ["instrument"]
