"""The original's files are read with their places, and what is not one of them is told with the way out."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.migration.reading import Found, read_files

KEYS = ["gatewayRoutes", "env", "secrets", "kind", "data", "stringData", "prefix", "upstream"]
yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner | st.sampled_from(["ConfigMap", "Secret", "/a", "ws://h"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
ROUTES = "- prefix: /livekit\n  upstream: ws://livekit:7880/signal\n  preserveQuery: true\n"
CONFIG_MAP = "kind: ConfigMap\ndata:\n  routes.yaml: |\n    - prefix: /a\n      upstream: ws://b\n"
VALUES = f"""
gatewayRoutes:
{ROUTES}
env:
  WS_IDLE_TIMEOUT_SECONDS: "90"
secrets:
  JWT_EXPECTED_ISSUER: https://idp.example.com
ingress: {{enabled: true}}
extra: 1
"""


def read(folder: Path, routes: str = "", env: str = "", values: str = "", env_name: str = "x.env") -> Found:
    paths: list[list[Path]] = []
    for name, text in (("routes.yaml", routes), (env_name, env), ("values.yaml", values)):
        if text:
            (folder / name).write_text(text)
        paths.append([folder / name] if text else [])
    return read_files(*paths)


def test_a_routes_file_is_read_with_its_lines(tmp_path: Path) -> None:
    found = read(tmp_path, ROUTES + "- {prefix: /b/, upstream: ws://b}\n")
    assert not found.problems
    assert [(each.value.prefix, each.place.rpartition(":")[2]) for each in found.routes] == [
        ("/livekit", "1"),
        ("/b", "4"),
    ]


def test_the_config_map_of_the_kustomize_base_is_read_too(tmp_path: Path) -> None:
    (route,) = read(tmp_path, CONFIG_MAP).routes
    assert route.value.prefix == "/a"
    assert route.place.endswith("routes.yaml data.routes.yaml:1")


def test_helm_values_hold_routes_variables_and_secrets(tmp_path: Path) -> None:
    found = read(tmp_path, values=VALUES)
    assert not found.problems
    assert [each.value.prefix for each in found.routes] == ["/livekit"]
    assert [(each.name, each.value, each.is_secret) for each in found.variables] == [
        ("WS_IDLE_TIMEOUT_SECONDS", "90", False),
        ("JWT_EXPECTED_ISSUER", "https://idp.example.com", True),
    ]
    ingress, extra = found.changes
    assert "ingress: not carried over: the chart of wsgate has an ingress" in ingress
    assert "extra: not carried over: nothing here reads it" in extra


def test_everything_may_come_together(tmp_path: Path) -> None:
    found = read(tmp_path, CONFIG_MAP, "A=1\n", VALUES)
    assert [each.value.prefix for each in found.routes] == ["/a", "/livekit"]
    assert [each.name for each in found.variables] == ["A", "WS_IDLE_TIMEOUT_SECONDS", "JWT_EXPECTED_ISSUER"]


def test_environments_of_the_kustomize_base_are_read(tmp_path: Path) -> None:
    text = "kind: ConfigMap\ndata: {A: '1'}\n---\nkind: Secret\nstringData: {B: '2'}\ndata: {C: Mw==}\n"
    found = read(tmp_path, env=text, env_name="env.yaml")
    assert [(each.name, each.value, each.is_secret) for each in found.variables] == [
        ("A", "1", False),
        ("C", "3", True),
        ("B", "2", True),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "- prefix: livekit\n  upstream: ws://h\n",
            'routes.yaml:1: [0].prefix: expected a path such as /chat, found "livekit"',
        ),
        ("- {prefix: /a}\n", "routes.yaml:1: [0].upstream: is missing"),
        (
            "- {prefix: /a, upstream: ws://h, copySubprotocol: true}\n",
            'unknown field; did you mean "copySubProtocol"?',
        ),
        ("a: [\n", "routes.yaml:"),
        ("gatewayRoutes: []\n", "these are values of a Helm chart; give the file as --values"),
        ("kind: WsRoute\n", "a WsRoute, which is wsgate's own"),
        ("kind: ConfigMap\ndata: {A: b}\n", "a ConfigMap without data.routes.yaml"),
        ("text\n", "expected the original gateway's list of routes, found"),
        ("# nothing\n", "is empty; write [] for no routes"),
    ],
)
def test_what_is_no_routes_file_is_told_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = read(tmp_path, text).problems
    assert expected in str(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gatewayRoutes:\n- prefix: /a\n  upstream: http://h\n", "values.yaml:3: gatewayRoutes[0].upstream: "),
        ("gatewayRoutes: {}\n", "gatewayRoutes: expected a list of routes, found a mapping"),
        ("env: [A=1]\n", "env: expected a mapping of names to values, found a list"),
        ("[]\n", "expected one mapping of values"),
    ],
)
def test_what_is_wrong_with_values_is_told_with_place_and_way_out(
    tmp_path: Path, text: str, expected: str
) -> None:
    (problem,) = read(tmp_path, values=text).problems
    assert expected in str(problem)


@pytest.mark.parametrize(
    "value", ["!hunter2", "*hunter2", "!!int hunter2", "'hunter2", "{hunter2", "%hunter2", "@h"]
)
def test_values_that_are_no_yaml_are_told_without_a_piece_of_a_secret(tmp_path: Path, value: str) -> None:
    for found in (
        read(tmp_path, values=f"secrets:\n  A: {value}\n"),
        read(tmp_path, env=f"kind: Secret\nstringData:\n  A: {value}\n", env_name="env.yaml"),
    ):
        (problem,) = found.problems
        assert problem.line is not None
        assert "hunter2" not in str(problem)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    found = read_files([tmp_path / "none.yaml", tmp_path / "bytes.yaml"], [tmp_path], [])
    texts = [str(problem) for problem in found.problems]
    assert ["No such file" in texts[0], "not UTF-8 at byte 0" in texts[1], "directory" in texts[2]] == [True] * 3


@given(st.text(max_size=200) | yaml_values.map(yaml.safe_dump))
def test_any_text_is_read_or_is_a_problem(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_text(text, encoding="utf-8")
        read_files([path], [path], [path])


def test_another_object_is_no_environment(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, env="kind: Service\n", env_name="env.yml").problems
    assert 'expected a ConfigMap or a Secret, found "Service"' in str(problem)
