"""What `wsgate migrate` writes is what kubectl applies and the API server stores."""

from pathlib import Path

import pytest
import yaml

from e2e.cluster import Cluster
from wsgate_cli.__main__ import main

# Names and texts that one reader of YAML takes for text and another for something else.
PREFIXES = ["/mqtt", "/y", "/no", "/1e3", "/0x1f", "/", "/null", "/a~b!$&'()*+,;=:@%41"]


def test_the_api_server_stores_the_objects_as_they_were_written(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [
        {"prefix": prefix, "upstream": f"ws://broker:{port}/?a=b"} for port, prefix in enumerate(PREFIXES, 1)
    ]
    (tmp_path / "routes.yaml").write_text(yaml.safe_dump(routes))
    output = tmp_path / "objects.yaml"
    assert main(["migrate", str(tmp_path / "routes.yaml"), "--output", str(output)]) == 0
    assert "next: kubectl apply -n wsgate-system -f" in capsys.readouterr().err
    written = {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(output.read_text())}
    arguments = ("-n", "wsgate-system", "-f", output, "-o", "json")
    stored = cluster.kubectl.run("apply", "--server-side", "--dry-run=server", *arguments)
    assert stored.returncode == 0, stored.stderr
    found = yaml.safe_load(stored.stdout)["items"]
    assert {each["metadata"]["name"] for each in found} == written.keys()
    for each in found:
        spec = written[each["metadata"]["name"]]
        # The server adds defaults.
        assert {
            name: each["spec"][name] for name in ("prefix", "upstream", "copySubProtocol", "preserveQuery")
        } == {name: spec[name] for name in ("prefix", "upstream", "copySubProtocol", "preserveQuery")}
        assert each["spec"]["auth"]["tokenSources"] == spec["auth"]["tokenSources"]
