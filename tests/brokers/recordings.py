"""The recorded and made-up Binance frames in tests/payloads/binance."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "payloads" / "binance"
APRIL = FOLDER / "cryptofeed_2021-04-17_10symbols_ws.raw"
AUGUST = FOLDER / "cryptofeed_2021-08-14_4symbols_ws.raw"
SYMBOLS = [
    *("SWRVBUSD", "VETETH", "GTOBTC", "BUSDTRY", "QSPBTC", "ADARUB", "PERLBNB"),
    *("AAVEUPUSDT", "ONTTRY", "STEEMETH", "FTMUSDT", "SXPBTC", "BADGERBTC", "XMRBTC"),
]


def read_recording(path: Path) -> list[tuple[float, str]]:
    """Return (receive time in epoch seconds, frame) of each frame, in order."""
    lines = path.read_text().splitlines()
    parts = [line.split(": ", 1) for line in lines if line[:1].isdigit()]
    return [(float(time_s), frame) for time_s, frame in parts]


def recorded_frames() -> list[str]:
    """Return the frames of both recordings, in order."""
    return [frame for path in (APRIL, AUGUST) for _, frame in read_recording(path)]


def shape_frames(kind: str = "") -> list[str]:
    """Return the single frames of a kind, of all kinds without one."""
    lines = (FOLDER / "shapes.jsonl").read_text().splitlines()
    shapes = [json.loads(line) for line in lines]
    return [item["frame"] for item in shapes if kind in ("", item["kind"])]
