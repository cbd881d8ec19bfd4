from pathlib import Path

import pytest

from brokers.registry import adapter_names
from config.config_file import SPOKEN, InvalidConfigFile, read_config_file

ROOT = Path(__file__).resolve().parent.parent.parent


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_read_config_file_missing_gives_defaults(tmp_path: Path) -> None:
    config = read_config_file(tmp_path / "none.yaml")

    assert (config.server.port, config.server.host) == (8080, "0.0.0.0")
    assert [(item.name, item.enabled) for item in config.brokers] == [
        ("binance", True),
        ("oanda", False),
    ]


def test_read_config_file_empty_gives_defaults(tmp_path: Path) -> None:
    assert read_config_file(write(tmp_path, "")).redis.port == 6379


def test_read_config_file_reads_every_key(tmp_path: Path) -> None:
    config = read_config_file(ROOT / "config" / "config.yaml.example")

    oanda = config.brokers[1]
    assert (oanda.name, oanda.type, oanda.auth) == ("oanda", "http-stream", "bearer")
    assert (oanda.api_key, oanda.account_id) == ("", "")
    assert config.logging.level == "info"


def test_compat_check_50_credentials_are_read_in_both_places(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "brokers:\n"
        "  - {name: oanda, credentials: {apiKey: below, accountId: '001'}}\n"
        "  - {name: other, apiKey: beside}\n",
    )

    found = [(item.api_key, item.account_id) for item in read_config_file(path).brokers]

    assert found == [("below", "001"), ("beside", "")]


def test_read_config_file_with_unknown_key_names_it(tmp_path: Path) -> None:
    path = write(tmp_path, "server: {prot: 1}\n")

    with pytest.raises(
        InvalidConfigFile, match="unknown field `prot` - at `\\$.server`"
    ):
        read_config_file(path)


def test_read_config_file_with_wrong_type_says_expected_and_found(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "server: {port: many}\n")

    with pytest.raises(InvalidConfigFile, match="Expected `int`, got `str`"):
        read_config_file(path)


def test_read_config_file_that_is_not_yaml_raises(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigFile):
        read_config_file(write(tmp_path, "server: [\n"))


@pytest.mark.parametrize(
    "text",
    [
        'brokers:\n  - name: oanda\n    apiKey: "planted-key\n    accountId: x\n',
        "brokers:\n  - name: oanda\n    planted-key\n",
        "brokers: [{name: oanda, apiKey: {planted-key: 1}}]\n",
        "brokers: [{name: oanda, apiKey: [planted-key]}]\n",
    ],
)
def test_errors_of_the_file_say_no_credentials(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidConfigFile) as error:
        read_config_file(write(tmp_path, text))

    chain = f"{error.value} {error.value.__cause__} {error.value.__cause__.__cause__}"
    assert "planted" not in chain


def test_brokers_are_shown_without_credentials(tmp_path: Path) -> None:
    text = (
        "brokers: [{name: oanda, credentials: {apiKey: planted, accountId: planted}}]"
    )

    config = read_config_file(write(tmp_path, text))

    assert "planted" not in repr(config)


@pytest.mark.parametrize(
    ("broker", "error"),
    [
        (
            "{name: OANDA, type: websocket}",
            r"type of OANDA: expected http-stream, found websocket - at "
            r"`\$.brokers\[0\]`",
        ),
        (
            "{name: oanda, auth: api-key}",
            "auth of oanda: expected bearer, found api-key",
        ),
        (
            "{name: binance, auth: bearer}",
            "auth of binance: expected none, found bearer",
        ),
    ],
)
def test_compat_50_type_and_auth_that_a_broker_does_not_speak_are_errors(
    tmp_path: Path, broker: str, error: str
) -> None:
    with pytest.raises(InvalidConfigFile, match=error):
        read_config_file(write(tmp_path, f"brokers: [{broker}]\n"))


def test_compat_50_type_and_auth_may_be_left_out_or_of_a_broker_we_do_not_know(
    tmp_path: Path,
) -> None:
    text = "brokers: [{name: oanda}, {name: other, type: websocket, auth: api-key}]"

    assert len(read_config_file(write(tmp_path, text)).brokers) == 2


def test_every_broker_says_what_it_speaks() -> None:
    assert sorted(SPOKEN) == adapter_names()
