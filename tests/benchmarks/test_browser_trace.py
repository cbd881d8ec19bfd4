"""Figures of a page's main thread, from events of Chromium's trace."""

import pytest

from benchmarks.browser_trace import MainThread, read_main_thread


def name(pid: int, tid: int, text: str) -> dict:
    return {
        "name": "thread_name",
        "ph": "M",
        "pid": pid,
        "tid": tid,
        "args": {"name": text},
    }


def task(pid: int, tid: int, dur: int, tdur: int) -> dict:
    return {
        "name": "RunTask",
        "ph": "X",
        "pid": pid,
        "tid": tid,
        "ts": 0,
        "dur": dur,
        "tdur": tdur,
    }


def test_read_main_thread_takes_the_page_that_did_most_and_no_other_thread() -> None:
    events = [
        task(2, 1, 40, 30),
        name(1, 1, "CrRendererMain"),
        name(2, 1, "CrRendererMain"),
        name(2, 5, "Compositor"),
        task(1, 1, 10, 10),
        task(2, 1, 60, 20),
        task(2, 5, 900, 900),
    ]

    assert read_main_thread(events) == MainThread(100, 50, 60, 30)


def test_read_main_thread_without_a_task_says_so() -> None:
    with pytest.raises(ValueError, match="expected tasks of a page's main thread"):
        read_main_thread([name(1, 1, "CrRendererMain")])
