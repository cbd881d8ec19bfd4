from io import StringIO

from django.core.management.base import OutputWrapper

from marketdata import command_progress
from marketdata.command_progress import steps_on


class Clock:
    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


def test_steps_elsewhere_than_on_a_terminal_are_a_line_a_second(monkeypatch):
    clock, out = Clock(), StringIO()
    monkeypatch.setattr(command_progress, "time", clock)

    with steps_on(OutputWrapper(out), "days") as show:
        for second, done in ((0.5, 10), (1.0, 20), (1.9, 30), (4.0, 1_000)):
            clock.now_s = second
            show("EURUSD", done, 5_000)

    assert out.getvalue() == (
        "EURUSD: 20 of 5,000 days, ETA 249 s\nEURUSD: 1,000 of 5,000 days, ETA 16 s\n"
    )


def test_steps_before_the_first_is_done_have_no_estimate(monkeypatch):
    clock, out = Clock(), StringIO()
    monkeypatch.setattr(command_progress, "time", clock)

    with steps_on(OutputWrapper(out), "series") as show:
        clock.now_s = 2.0
        show("EURUSD", 0, 3)

    assert out.getvalue() == "EURUSD: 0 of 3 series\n"


def test_steps_on_a_terminal_are_a_bar_that_is_gone_at_the_end(monkeypatch, capsys):
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    with steps_on(OutputWrapper(Terminal()), "days") as show:
        show("EURUSD", 20, 5_000)

    drawn = capsys.readouterr().err
    assert "EURUSD" in drawn
    assert "20 of 5,000 days" in drawn
    assert drawn.rpartition("\x1b[2K")[2].strip() == ""
