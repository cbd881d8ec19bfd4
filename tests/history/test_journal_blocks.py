"""Blocks of the journal: what comes back of whole, cut and damaged ones."""

from history.journal_blocks import Damage, decode_blocks, encode_block
from tests.history.live_rows import tick_row, trade_row

FIRST = [tick_row(1), trade_row(1, 77), trade_row(2)]
SECOND = [tick_row(2)]
THIRD = [tick_row(number) for number in range(3, 12)]
BLOCKS = [FIRST, SECOND, THIRD]
ENCODED = [encode_block(rows) for rows in BLOCKS]
DATA = b"".join(ENCODED)
ENDS = [sum(map(len, ENCODED[: n + 1])) for n in range(3)]


def test_decode_blocks_gives_back_what_was_encoded() -> None:
    assert list(decode_blocks(DATA)) == BLOCKS


def test_decode_blocks_of_nothing_is_nothing() -> None:
    assert list(decode_blocks(b"")) == []


def test_encode_block_takes_less_than_a_hundred_bytes_a_row() -> None:
    assert len(ENCODED[2]) < 100 * len(THIRD)


def test_decode_blocks_cut_anywhere_gives_the_whole_blocks_and_the_tail() -> None:
    for end in range(len(DATA)):
        whole = sum(end >= each for each in ENDS)
        begin = ENDS[whole - 1] if whole else 0
        tail = [Damage(begin, end, is_tail=True)] if end > begin else []
        assert list(decode_blocks(DATA[:end])) == BLOCKS[:whole] + tail


def test_decode_blocks_with_a_changed_byte_loses_its_block_alone() -> None:
    for place in range(len(DATA)):
        data = bytearray(DATA)
        data[place] ^= 0x5A
        hit = sum(place >= each for each in ENDS)

        found = list(decode_blocks(bytes(data)))

        damage = found.pop(hit)
        assert isinstance(damage, Damage)
        assert damage[:2] == (ENDS[hit - 1] if hit else 0, ENDS[hit])
        assert found == BLOCKS[:hit] + BLOCKS[hit + 1 :]
        assert hit == 2 or not damage.is_tail


def test_decode_blocks_between_garbage_finds_them() -> None:
    data = b"MDJ1" + bytes(20) + ENCODED[0] + b"MDJ1MDJ1" + ENCODED[1] + b"\x00" * 9

    found = list(decode_blocks(data))

    assert [item for item in found if not isinstance(item, Damage)] == [FIRST, SECOND]
    assert [item.is_tail for item in found if isinstance(item, Damage)] == [False] * 3


def test_decode_blocks_of_other_rows_is_damage() -> None:
    data = encode_block([("no record", 1, 2)])  # type: ignore[list-item]

    assert list(decode_blocks(data)) == [Damage(0, len(data), is_tail=False)]
