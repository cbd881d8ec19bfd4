"""The judgements of `manage.py doctor`."""

import pytest
from celery import Celery

from config.checkup import services
from config.checkup.findings import (
    Verdict,
    judge_clock,
    judge_disk,
    judge_files,
    judge_migrations,
    judge_packages,
    judge_processes,
    judge_python,
)
from marketdata.layers import MarketDataChannelLayer
from marketdata.process_messages import FeedFigures, WebFigures

GB = 1 << 30
GOOD, POOR, BAD = Verdict.GOOD, Verdict.POOR, Verdict.BAD


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (judge_python((3, 11, 0)), GOOD),
        (judge_python((3, 10, 9)), BAD),
        (judge_packages([]), GOOD),
        (judge_packages(["django 4.2 for 5.2.19"]), POOR),
        (judge_clock("redis", -0.9), GOOD),
        (judge_clock("redis", 1.1), BAD),
        (judge_clock("redis", -1.1), BAD),
        (judge_disk("/", 90 * GB, 1_000 * GB), GOOD),
        (judge_disk("/", 40 * GB, 1_000 * GB), POOR),
        (judge_disk("/", 1 * GB, 1_000 * GB), BAD),
        (judge_disk("/", 3 * GB, 10 * GB), GOOD),
        (judge_disk("/", 1 * GB, 10 * GB), POOR),
        (judge_files(4_096), GOOD),
        (judge_files(1_024), POOR),
        (judge_migrations([]), GOOD),
        (judge_migrations(["history.0009_x"]), BAD),
    ],
)
def test_each_is_judged_by_its_bound(finding, verdict):
    assert finding.verdict is verdict
    assert bool(finding.cure) is (verdict is not GOOD)


def feed(state: str = "live", lag_s: float | None = 0.02) -> FeedFigures:
    return FeedFigures("binance", "h:1", state, 2, 9, 1.5, 1.5, 0, 0, 0.3, lag_s)


@pytest.mark.parametrize(
    ("answer", "verdict", "found"),
    [
        (feed(), GOOD, "live, 1.5 records/s, last record 0.3 s ago"),
        (feed("lost"), BAD, "lost, 1.5 records/s, last record 0.3 s ago"),
        (feed("idle"), GOOD, "idle: nobody follows it, and nothing of it is recorded"),
        (feed(lag_s=-3.0), POOR, "records come 3.0 s before they happen"),
        (None, BAD, "no process answers"),
    ],
)
def test_feed_of_an_enabled_broker(answer, verdict, found):
    answers = [answer] if answer else []
    _, finding = judge_processes(answers, 0, {"binance"})

    assert (finding.check, finding.verdict) == ("feed binance", verdict)
    assert finding.found == found


def test_processes_that_do_not_answer_are_counted():
    web = WebFigures("ab12", "h", 7, 1.0, 5, 6, 7, 0.0, 0)

    silent, running = judge_processes([web], 2, set())

    assert (silent.verdict, silent.found) == (BAD, "2 did not answer")
    assert (running.verdict, running.found) == (GOOD, "1 running, 5 clients")


def test_processes_that_cannot_be_asked_are_a_finding(monkeypatch):
    layer = MarketDataChannelLayer(hosts=["redis://127.0.0.1:9/0"])
    monkeypatch.setattr(services, "get_channel_layer", lambda name: layer)

    (finding,) = services.check_processes(has_database=False)

    assert (finding.check, finding.verdict) == ("processes", BAD)
    assert finding.cure


def test_queue_that_cannot_be_asked_is_a_finding(monkeypatch):
    app = Celery(broker="redis://127.0.0.1:9/0")
    app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0}
    monkeypatch.setattr(services, "current_app", app)

    finding = services.check_workers()

    assert (finding.check, finding.verdict) == ("workers", BAD)
