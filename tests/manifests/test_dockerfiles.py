"""The images hold what the Deployments start, pinned, for a user that may change nothing."""

import json
import re
import tomllib

import pytest

from tests.manifests.objects import BASE, ROOT, only

COMPONENTS = ["operator", "dataplane"]
IMAGES = [*COMPONENTS, "standalone"]


def dockerfile(component: str) -> str:
    return (ROOT / f"Dockerfile.{component}").read_text()


@pytest.mark.parametrize("component", IMAGES)
def test_both_stages_start_from_one_base_that_a_build_may_replace(component: str) -> None:
    text = dockerfile(component)
    assert re.findall(r"^ARG (.*)", text, re.MULTILINE) == ["BASE=docker.io/library/python:3.13-slim"]
    assert re.findall(r"^FROM (.*)", text, re.MULTILINE) == ["${BASE} AS build", "${BASE}"]


@pytest.mark.parametrize("component", IMAGES)
def test_everything_installed_is_pinned_and_needs_no_compiler(component: str) -> None:
    (install,) = (line for line in dockerfile(component).splitlines() if "pip install" in line)
    assert "-c constraints.txt" in install
    assert "--only-binary=:all:" in install
    extra = "dataplane" if component == "standalone" else component
    assert f"'.[{extra}]'" in install
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra in extras


@pytest.mark.parametrize("component", IMAGES)
def test_the_final_stage_installs_nothing(component: str) -> None:
    final = dockerfile(component).rpartition("\nFROM ")[2]
    assert not re.search(r"\b(apt-get|apk|pip|curl|wget)\b", final)
    assert re.findall(r"^COPY (.*)", final, re.MULTILINE) == ["--from=build /opt/wsgate /opt/wsgate"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_image_runs_its_component_as_the_user_of_its_deployment(component: str) -> None:
    text = dockerfile(component)
    pod = only(BASE, "Deployment", f"wsgate-{component}")["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in text
    assert f'ENTRYPOINT ["python", "-m", "wsgate_{component}"]' in text
    # The image decides what runs.
    assert not {"command", "args"} & pod["containers"][0].keys()
    ports = [str(port["containerPort"]) for port in pod["containers"][0]["ports"]]
    assert f"EXPOSE {' '.join(ports)}\n" in text


def test_the_two_images_differ_only_in_what_they_run() -> None:
    operator, data_plane = (dockerfile(component).splitlines() for component in COMPONENTS)
    assert len(operator) == len(data_plane)
    differing = [line.split()[0] for line, other in zip(operator, data_plane, strict=True) if line != other]
    # The comment, pip install, title, description, ports, entry point.
    assert differing == ["#", "&&", "LABEL", 'org.opencontainers.image.description="Turns', "EXPOSE", "ENTRYPOINT"]


def test_the_standalone_image_is_the_data_planes_but_for_what_it_runs_and_where_it_keeps_revocations() -> None:
    standalone, data_plane = (set(dockerfile(each).splitlines()) for each in ("standalone", "dataplane"))
    assert [line.split()[0] for line in sorted(data_plane - standalone)] == [
        'org.opencontainers.image.description="WebSocket',
        "#",
        "ENTRYPOINT",
        "LABEL",
    ]
    uid, gid = re.findall(r"^USER (\d+):(\d+)$", dockerfile("dataplane"), re.MULTILINE)[0]
    assert f"RUN install -d -o {uid} -g {gid} -m 700 /var/lib/wsgate" in standalone
    assert "VOLUME /var/lib/wsgate" in standalone
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (entry_point,) = (json.loads(line.partition(" ")[2]) for line in standalone if line.startswith("ENTRYPOINT"))
    assert entry_point[:4] == ["wsgate", "standalone", "--state-dir", "/var/lib/wsgate"]
    assert entry_point[0] in scripts


def test_a_build_sees_the_sources_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert lines[-1] == "**/__pycache__"
    let_in = {line.removeprefix("!") for line in lines[1:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    files = {"pyproject.toml", "constraints.txt", project["project"]["readme"], "LICENSE"}
    assert let_in == files | {package.split("/")[0] for package in packages}
