"""docker-compose.yaml names only what there is, publishes only the gateway, and gives no needless right."""

import re

import pytest
import yaml

from tests.compose.compose_file import INTERPOLATION, ROOT, document, env_file, environment, mounts, services
from tests.manifests.objects import TRIAL_REDIS, container, documents
from wsgate_dataplane.settings import Settings, environment_names

# Of the Compose specification (compose-spec.json, service), what the file uses.
OF_A_SERVICE = {
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "entrypoint",
    "env_file",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "security_opt",
    "stop_grace_period",
    "tmpfs",
    "user",
    "volumes",
    "working_dir",
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
NAMES = sorted(services())


def test_the_file_has_the_four_parts_and_the_maker_of_keys() -> None:
    found = document()
    assert found.keys() == {"name", "x-confined", "x-standalone", "services", "volumes"}
    assert NAMES == ["gateway", "jwks", "keys", "mosquitto", "redis", "token"]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_says_only_what_compose_knows(name: str) -> None:
    service = services()[name]
    assert service.keys() <= OF_A_SERVICE
    for entry in service.get("env_file", []):
        assert entry.keys() == {"path", "required"}
    if "healthcheck" in service:
        assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", NAMES)
def test_a_service_names_only_what_there_is(name: str) -> None:
    found = services()
    service = found[name]
    # Compose would look for the image in a registry where one of its services had no build.
    assert ("build" in service) == (service["image"] == "wsgate-standalone:dev")
    if "build" in service:
        assert service["build"] == {"context": ".", "dockerfile": "Dockerfile.standalone"}
        assert (ROOT / "Dockerfile.standalone").exists()
    assert [str(path) for path in mounts(service).values() if not path.exists()] == []
    named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith("./")}
    assert named <= document()["volumes"].keys()
    for other, how in service.get("depends_on", {}).items():
        assert how["condition"] in CONDITIONS
        assert other in found
        # A condition that nobody reports would wait for ever.
        assert how["condition"] != "service_healthy" or "healthcheck" in found[other]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_writes_nothing_into_its_image_and_gains_no_privilege(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_gateway_alone_is_reachable_and_its_admin_port_from_this_machine_only() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert ports == {"gateway": ["8080:8080", "127.0.0.1:9090:9090"]}


def test_no_image_is_the_newest_of_the_day() -> None:
    for service in services().values():
        assert re.search(r":[^:]+$", service["image"])
        assert not service["image"].endswith(":latest")
    assert services()["redis"]["image"] == container(documents(TRIAL_REDIS / "redis.yaml")[0])["image"]


def test_the_gateways_environment_is_of_settings_and_env_example_starts_it() -> None:
    given = environment(services()["gateway"], env_file((ROOT / ".env.example").read_text()))
    assert given.keys() <= set(environment_names())
    settings = Settings.load(given)
    assert settings.jwks_url == "http://jwks:8080/certs.json"
    assert str(settings.route_file) == "/etc/ws-gw/routes.yaml"
    assert settings.route_file.parent.as_posix() in mounts(services()["gateway"])


def test_what_env_sets_goes_before_the_trials_defaults() -> None:
    given = environment(services()["gateway"], {"JWKS_URL": "https://idp.example.com/certs"})
    assert given["JWKS_URL"] == "https://idp.example.com/certs"
    for value in services()["gateway"]["environment"].values():
        assert INTERPOLATION.fullmatch(value)


def test_the_gateway_is_given_the_time_that_its_drain_takes() -> None:
    fields = Settings.model_fields
    drain = fields["graceful_drain_timeout_seconds"].default + fields["shutdown_hard_limit"].default
    assert int(services()["gateway"]["stop_grace_period"].removesuffix("s")) > drain


def test_hosts_of_the_files_are_services() -> None:
    (routes,) = mounts(services()["gateway"]).values()
    upstreams = [entry["upstream"] for entry in yaml.safe_load((routes / "routes.yaml").read_text())]
    urls = [*upstreams, *environment(services()["gateway"], {}).values()]
    hosts = {found[1] for url in urls if (found := re.match(r"(?:ws|redis|http)://([^:/]+)", url))}
    assert hosts == {"mosquitto", "redis", "jwks"}


def test_mosquitto_listens_where_the_route_leads() -> None:
    (config,) = mounts(services()["mosquitto"]).values()
    lines = [line for line in config.read_text().splitlines() if not line.startswith("#")]
    assert lines[1:3] == ["listener 9001", "protocol websockets"]
