"""Samples in ops/ run what Procfile and compose.yaml run, with settings we have."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "ops"
FLY = tomllib.loads((OPS / "fly.toml").read_text())
PROCFILE = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines()
)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
UNIT_RUN = (OPS / "systemd" / "run").read_text()
UNITS = dict(re.findall(r'(\w+)\) exec "\$bin/(.+) ;;', UNIT_RUN))


def essence(command: str) -> list[str]:
    """Return what is run, without what says how many and how loud."""
    words = command.replace('"', "").split()
    start = next(i for i, word in enumerate(words) if word in ("manage.py", "config"))
    kept = words[start:]
    for option in ("--concurrency", "--hostname", "--loglevel"):
        if option in kept:
            at = kept.index(option)
            del kept[at : at + 2]
    return kept


@pytest.mark.parametrize("commands", [FLY["processes"], UNITS], ids=["fly", "systemd"])
def test_samples_run_what_the_procfile_runs(commands: dict[str, str]) -> None:
    found = {name: essence(command) for name, command in commands.items()}

    assert found == {name: essence(command) for name, command in PROCFILE.items()}


def test_fly_prepares_a_release_as_compose_does() -> None:
    inner = re.fullmatch(r"sh -c '(.*)'", FLY["deploy"]["release_command"])[1]

    assert inner.split() == COMPOSE["services"]["migrate"]["command"][-1].split()


def test_fly_sets_only_what_is_read_and_no_secret() -> None:
    known = set(re.findall(r'"([A-Z_]+)"', (ROOT / "config" / "env.py").read_text()))

    assert set(FLY["env"]) <= known
    assert not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} & set(FLY["env"])


def test_systemd_target_wants_every_process() -> None:
    target = (OPS / "systemd" / "marketdata.target").read_text()

    assert set(re.findall(r"marketdata@(\w+)\.service", target)) == set(PROCFILE)


def test_systemd_run_names_what_it_expects() -> None:
    result = subprocess.run(
        [OPS / "systemd" / "run", "webb"], capture_output=True, text=True
    )

    assert result.returncode == 64
    assert result.stderr.startswith("expected web, feeds,")


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_proxies_name_the_client_and_keep_metrics_inside(name: str) -> None:
    text = (OPS / name).read_text()

    assert "X-Real-IP" in text
    assert "metrics" in text
    assert "admin" in text
