from config.dotenv import join_block, parse_lines, split_block


def test_split_block_returns_own_text_and_written_values() -> None:
    text = join_block("MINE=1\n", {"PORT": "8080", "SECRET_KEY": "a=b"})

    own, written = split_block(text)

    assert own == "MINE=1\n\n"
    assert written == {"PORT": "8080", "SECRET_KEY": "a=b"}


def test_split_block_of_a_file_without_block_is_all_own() -> None:
    assert split_block("PORT=1\n") == ("PORT=1\n", {})


def test_join_block_twice_changes_nothing() -> None:
    once = join_block("MINE=1\n", {"PORT": "8080"})

    own, written = split_block(once)

    assert join_block(own, written) == once


def test_parse_lines_takes_the_first_of_a_name_and_skips_the_rest() -> None:
    text = "export A=1\n# A=2\nA=3\nB='x y'\nnonsense\n"

    assert parse_lines(text) == {"A": "1", "B": "x y"}
