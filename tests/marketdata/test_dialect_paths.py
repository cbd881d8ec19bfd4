import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dialect_paths import ROOT_DIALECTS, dialect_of
from marketdata.sessions.gateway import gateway_dialect
from marketdata.sessions.stream import COMBINED_STREAM, RAW_STREAM
from marketdata.sessions.unified import UNIFIED

GATEWAY = gateway_dialect(str, int)


def find(path, root="unified"):
    return dialect_of(path, root=root, gateway=GATEWAY)


@pytest.mark.parametrize("root", ROOT_DIALECTS)
@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/ws", UNIFIED),
        ("/ws/", UNIFIED),
        ("/ws/client7", UNIFIED),
        ("/any/path", UNIFIED),
        ("/streams", UNIFIED),
        ("/stream/x", UNIFIED),
        ("/binance", UNIFIED),
        ("/wsx@trade", UNIFIED),
        ("/gatewayx", UNIFIED),
        ("/stream", COMBINED_STREAM),
        ("/stream/", COMBINED_STREAM),
        ("/binance/stream", COMBINED_STREAM),
        ("/binance/stream/", COMBINED_STREAM),
        ("/ws/btcusdt@trade", RAW_STREAM),
        ("/ws/btcusdt@trade/eurusd@ticker", RAW_STREAM),
        ("/binance/ws", RAW_STREAM),
        ("/binance/ws/", RAW_STREAM),
        ("/binance/ws/btcusdt@kline_1m", RAW_STREAM),
        ("/binance/ws/anything", RAW_STREAM),
        ("/gateway", GATEWAY),
        ("/gateway/", GATEWAY),
    ],
)
def test_dialect_of_each_row_is_the_same_whoever_lives_at_the_root(path, dialect, root):
    assert find(path, root) is dialect


@pytest.mark.parametrize("path", ["/", ""])
@pytest.mark.parametrize(
    ("root", "dialect"),
    [("unified", UNIFIED), ("stream", COMBINED_STREAM), ("gateway", GATEWAY)],
)
def test_compat_81_the_dialect_of_the_root_is_configurable(path, root, dialect):
    assert find(path, root) is dialect


@given(st.text(), st.sampled_from(ROOT_DIALECTS))
def test_dialect_of_any_path_is_one_of_ours(path, root):
    assert find("/" + path, root) in (UNIFIED, COMBINED_STREAM, RAW_STREAM, GATEWAY)
