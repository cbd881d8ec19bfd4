"""Which hours without ticks are suspect."""

from importer.suspects import MAX_GAP_HOURS, find_suspects


def suspects(ticks: str, is_open: str = "") -> str:
    """Mark suspects: a character is an hour, `x` with ticks, `c` in is_open closed."""
    closed = {number for number, mark in enumerate(is_open) if mark == "c"}
    found = find_suspects(
        range(len(ticks)),
        {number for number, mark in enumerate(ticks) if mark == "x"},
        is_open=lambda hour: hour not in closed,
    )
    return "".join("?" if n in found else mark for n, mark in enumerate(ticks))


def test_find_suspects_takes_gaps_between_ticks():
    assert suspects("..xx.x..x..") == "..xx?x??x.."


def test_find_suspects_leaves_holidays():
    short, long = "." * MAX_GAP_HOURS, "." * (MAX_GAP_HOURS + 1)

    assert suspects(f"x{short}x") == f"x{'?' * MAX_GAP_HOURS}x"
    assert suspects(f"x{long}x") == f"x{long}x"


def test_find_suspects_leaves_a_closed_market_and_looks_across_it():
    assert suspects("xx....x", "..cccc.") == "xx....x"
    assert suspects("x.....x", "..ccc..") == "x?...?x"


def test_find_suspects_believes_ticks_of_a_closed_market():
    assert suspects("x.x.x", "..c..") == "x?x?x"


def test_find_suspects_without_ticks_is_nothing():
    assert suspects("...") == "..."
    assert suspects("") == ""
