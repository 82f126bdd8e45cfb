"""Docker Compose itself reads docker-compose.yaml as it is meant."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.programs import get, program

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 60


def config(*arguments: str) -> dict[str, Any]:
    """The file as Compose resolves it, with every profile; fails with what Compose says."""
    command = [str(program("docker-compose")), *arguments, "--profile", "*", "config", "--format", "json"]
    # Variables of this process would go before those of the file.
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module", autouse=True)
def compose(pytestconfig: pytest.Config) -> None:
    """The program; a first build takes minutes, and tells how far it is."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        get("docker-compose")


def test_compose_accepts_the_file_and_finds_its_services() -> None:
    found = config()
    assert found["services"].keys() == {"gateway", "redis", "mosquitto", "jwks", "keys", "token"}
    assert found["volumes"].keys() == {"state", "keys"}
    assert all(each["read_only"] and each["cap_drop"] == ["ALL"] for each in found["services"].values())


def test_without_env_the_gateway_gets_the_trials_provider() -> None:
    environment = config("--env-file", os.devnull)["services"]["gateway"]["environment"]
    assert environment["JWKS_URL"] == "http://jwks:8080/certs.json"
    assert environment["REDIS_URL"] == "redis://redis:6379/0"


def test_a_variable_of_env_goes_before(tmp_path: Path) -> None:
    dotenv = tmp_path / "env"
    dotenv.write_text(
        (ROOT / ".env.example").read_text().replace("JWKS_URL=", "JWKS_URL=https://idp.example.com/c")
    )
    environment = config("--env-file", str(dotenv))["services"]["gateway"]["environment"]
    assert environment["JWKS_URL"] == "https://idp.example.com/c"
    # Empty in the example.
    assert environment["JWT_EXPECTED_AUDIENCE"] == "wsgate"
