"""The compose file runs what there is: commands that exist, and every projection and policy."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from order_ledger.postgres.programs import Programs

PROJECT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PROJECTIONS = {folder.parent.name for folder in PROJECT.glob("projections/*/__init__.py")}
POLICIES = {module.stem for module in PROJECT.glob("src/order_ledger/policies/*.py")} - {"__init__"}

needs_commands = pytest.mark.skipif(
    importlib.util.find_spec("order_ledger.cli") is None, reason="the command line is not written yet"
)


@needs_commands
@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    command = OURS[name]["command"][0]
    program = "import sys; from order_ledger.cli import main; sys.exit(main())"
    asked = subprocess.run([sys.executable, "-c", program, command, "--help"], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr


@needs_commands
def test_every_projection_has_a_service_of_its_own() -> None:
    followed = {service["command"][1] for service in OURS.values() if service["command"][0] == "follow"}
    assert followed == PROJECTIONS
    assert all(service["command"][1] == name for name, service in OURS.items() if service["command"][0] == "follow")


@needs_commands
def test_every_policy_has_a_service_of_its_own() -> None:
    run = {service["command"][1]: name for name, service in OURS.items() if service["command"][0] == "policy"}
    assert run == {name: name for name in POLICIES}


def test_followers_are_told_how_far_the_journal_is_final() -> None:
    assert [service["command"] for service in OURS.values()].count(["settle"]) == 1


def test_the_database_is_made_as_the_embedded_one_is() -> None:
    database = SERVICES["database"]
    assert database["image"] == "postgres:18"
    assert database["environment"]["POSTGRES_INITDB_ARGS"].split() == Programs(Path(), 18).locales()[0]


def test_nothing_is_open_to_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_what_a_service_waits_for_and_keeps_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
    assert all("database" in service["environment"]["LEDGER_DATABASE_URL"] for service in OURS.values())


def test_the_image_is_made_of_files_that_are_there() -> None:
    lines = (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("COPY "):
            *sources, _ = line.split()[1:]
            assert all((PROJECT / source).exists() for source in sources), line
