"""compose.yaml, Dockerfile and Procfile, as far as they can be tried without Docker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def python_commands() -> list[list[str]]:
    """Every command that compose, Dockerfile or Procfile runs of ours."""
    texts = [" ".join(service.get("command", [])) for service in SERVICES.values()]
    texts += (ROOT / "Procfile").read_text().splitlines()
    texts += re.findall(r"RUN .*?(python manage.py .*)", DOCKERFILE)
    texts += re.findall(r'^CMD \["(python", "manage.py", .*)"\]', DOCKERFILE, re.M)
    found = [
        re.findall(
            r"(?:python manage\.py|celery -A config) [^&]*", text.replace('", "', " ")
        )
        for text in texts
    ]
    return [command.split() for group in found for command in group]


def test_compose_has_every_process_with_a_health_check_and_a_volume() -> None:
    assert set(SERVICES) == {
        "database", "redis", "migrate", "web", "feed-binance", "feed-simulated",
        "feed-redis", "worker", "imports", "beat",
    }  # fmt: skip
    assert SERVICES["database"]["volumes"] == ["database:/var/lib/postgresql/data"]
    assert set(COMPOSE["volumes"]) == {"database", "redis", "journal"}
    assert SERVICES["feed-binance"]["volumes"] == ["journal:/app/var/journal"]
    assert "pg17" in SERVICES["database"]["image"]
    for name in ("database", "redis", "worker", "imports"):
        assert SERVICES[name]["healthcheck"]["test"]
    assert "HEALTHCHECK" in DOCKERFILE


def test_compose_makes_what_tick_indexes_asks_for() -> None:
    command = SERVICES["migrate"]["command"][-1]

    assert "migrate && python manage.py recreate_indexes --only-missing" in command


def test_compose_waits_for_what_each_service_needs() -> None:
    for name in ("web", "feed-binance", "feed-simulated", "worker", "imports", "beat"):
        needs = SERVICES[name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["database"]["condition"] == "service_healthy"


def test_compose_has_no_default_secret() -> None:
    text = (ROOT / "compose.yaml").read_text()

    assert re.findall(r"\$\{(?:SECRET_KEY|POSTGRES_PASSWORD)(:-|\})", text) == []


def test_compose_passes_only_settings_that_exist() -> None:
    known = set(re.findall(r'"([A-Z_]+)"', (ROOT / "config" / "env.py").read_text()))

    assert set(SERVICES["web"]["environment"]) <= known


def test_image_is_multi_stage_and_not_root() -> None:
    stages = re.findall(r"^FROM .*", DOCKERFILE, re.M)

    assert len(stages) == 2
    assert re.search(r"^USER marketdata$", DOCKERFILE, re.M)
    assert DOCKERFILE.index("USER marketdata") > DOCKERFILE.index("collectstatic")


def test_image_carries_every_app() -> None:
    copied = set(re.findall(r"^COPY (\w+)/ \1/$", DOCKERFILE, re.M))

    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    # `make run` alone needs services; the image is given its database.
    apps = packages - {"tests", "benchmarks", "services"}
    assert apps | {"templates", "static"} == copied


@pytest.mark.parametrize("command", python_commands(), ids=" ".join)
def test_every_command_that_is_called_exists(command: list[str]) -> None:
    if command[0] == "celery":
        argv = [str(Path(sys.executable).parent / "celery"), *command[1:4], "--help"]
    else:
        argv = [sys.executable, *command[1:3], "--help"]

    result = subprocess.run(
        argv,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "SECRET_KEY": "x"},
    )

    assert result.returncode == 0, result.stderr


def test_every_command_is_found() -> None:
    names = {" ".join(command[:4]) for command in python_commands()}

    assert {"python manage.py serve", "python manage.py migrate"} <= names
    assert {"celery -A config worker", "celery -A config beat"} <= names
