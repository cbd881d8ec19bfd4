import structlog
from structlog.testing import capture_logs

from marketdata import limited_log
from marketdata.limited_log import MAX_PER_S, LimitedLog
from tests.marketdata.polling import until


async def test_lines_of_a_kind_over_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(limited_log, "REST_AFTER_S", 0.01)
    with capture_logs() as lines:
        events = LimitedLog(structlog.get_logger())
        for number in range(MAX_PER_S + 5):
            events.info("connected", number=number)
        events.info("other")
        await until(lambda: any("more" in line for line in lines))
    assert [line for line in lines if "more" in line] == [
        {"event": "connected", "more": 5, "log_level": "info"}
    ]
    assert len(lines) == MAX_PER_S + 2
