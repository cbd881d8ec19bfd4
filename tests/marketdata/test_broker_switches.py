from marketdata.broker_switches import enabled_brokers


def test_enabled_brokers_without_switches_are_as_configured() -> None:
    switches = {"binance": None, "oanda": None}

    assert enabled_brokers(["redis", "binance"], switches) == ["redis", "binance"]


def test_enabled_brokers_switches_go_before_the_configuration() -> None:
    switches = {"binance": False, "kraken": False, "oanda": True, "redis": True}

    assert enabled_brokers(["redis", "binance"], switches) == ["redis", "oanda"]
