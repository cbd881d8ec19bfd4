import pytest

from brokers.exceptions import InvalidFeedSetting
from brokers.kraken.pairs import websocket_address
from config.hidden import hidden_values
from marketdata.broker_credentials import hide_secrets

SETTINGS = {
    "OANDA_API_KEY": "key-of-ours-75e1",
    "BROKER_KEYS": ["first-broker-key", "second-broker-key"],
    "KRAKEN_WS_URL": "wss://someone:pass%2Fword-91@ws.example/v1",
    "SECRET_KEY": "x",
    "PORT": 8080,
}


def test_log_lines_are_without_secrets_of_settings_while_they_are_held() -> None:
    line = (
        "key-of-ours-75e1 second-broker-key pass%2Fword-91 pass/word-91 "
        "Basic c29tZW9uZTpwYXNzL3dvcmQtOTE= someone x"
    )
    hidden = hidden_values(SETTINGS)

    assert hide_secrets(line) == (
        "[hidden] [hidden] [hidden] [hidden] Basic [hidden] someone x"
    )
    assert "key-of-ours" not in repr(hidden)


def test_error_about_an_address_is_without_its_password() -> None:
    address = "http://someone:pass-word-91@ws.example"
    hidden = hidden_values({"KRAKEN_WS_URL": address})

    with pytest.raises(InvalidFeedSetting, match=r"someone:\[hidden\]@ws.example"):
        websocket_address(address)
    assert hidden
