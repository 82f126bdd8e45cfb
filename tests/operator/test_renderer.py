"""From files to rendered files: at start all or nothing, afterwards the last good version."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operator.objects import STANDALONE, document
from tests.support.certificates import pair
from tests.support.hanging import HangingFolder
from tests.support.world import eventually
from wsgate_operator.renderer import FirstLoadError, Renderer
from wsgate_operator.sinks.directory import DirectorySink
from wsgate_operator.sources.files import FileSource
from wsgate_operator.sources.secret_folders import GONE_SECONDS, SecretFolders
from wsgate_operator.translate.verdict import Verdict, VerdictReason


@dataclass
class House:
    """A folder of objects, a renderer over it, and what it wrote."""

    root: Path
    now: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.config = self.root / "config"
        self.config.mkdir()
        source = FileSource(self.config, STANDALONE.root_namespace)
        sink = DirectorySink(self.root / "out")
        self.secrets = self.root / "secrets"
        secrets = SecretFolders(self.secrets, STANDALONE.root_namespace)
        self.renderer = Renderer(source, sink, STANDALONE, lambda: self.now, secrets)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        assert self.renderer.rendered is not None
        return self.renderer.rendered.translation.verdicts

    def put(self, name: str, kind: str = "WsRoute", **spec: Any) -> None:
        if kind == "WsRoute":
            spec = {"prefix": f"/{name}", "upstream": "ws://a", **spec}
        self.put_text(f"{name}.yaml", yaml.safe_dump(document(kind, name, spec)))

    def put_text(self, name: str, text: str) -> None:
        (self.config / ".draft").write_text(text)
        (self.config / ".draft").rename(self.config / name)

    def written(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.root / "out" / name).read_text())
        return found

    def put_secret(self, name: str = "client") -> bytes:
        (self.secrets / name).mkdir(parents=True, exist_ok=True)
        certificate, key = pair("client.test")
        (self.secrets / name / "tls.crt").write_bytes(certificate)
        (self.secrets / name / "tls.key").write_bytes(key)
        return certificate + key

    def copies(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in (self.root / "out/secrets").iterdir())

    def served(self) -> list[str]:
        return sorted(route["name"] for route in self.written("routes.yaml")["routes"])

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[list[tuple[float, int]]]:
        """Run the renderer meanwhile; the list grows by each confirmation, time and version."""
        confirmed: list[tuple[float, int]] = []

        def keep(at: float, version: int) -> None:
            confirmed.append((at, version))

        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.renderer.run(asyncio.to_thread, keep))
            yield confirmed
            running.cancel()

    def revoked(self) -> list[str]:
        return [record["id"] for record in self.written("revocations.yaml")["revocations"]]


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class Lines(logging.Handler):
    """The log as a list; on the logger itself, since a configured one does not propagate to caplog."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def fields_of(self, message: str) -> list[dict[str, Any]]:
        """The fields of each line with the message."""
        return [record.__dict__["fields"] for record in self.records if record.getMessage() == message]


@pytest.fixture
def logs() -> Iterator[Lines]:
    logger, lines = logging.getLogger("wsgate.operator"), Lines()
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(lines)


def test_the_first_pass_writes_routes_and_revocations(house: House) -> None:
    house.put("chat")
    house.put("r", "TokenRevocation", jti="x")
    rendered = house.renderer.render()
    assert (house.served(), house.revoked(), rendered.routes_version) == (["chat"], ["default/r"], 1)
    assert house.written("revocations.yaml")["confirmedAt"] == house.now
    assert [verdict.key for verdict in house.verdicts] == ["default/chat", "default/r"]


def test_the_first_pass_refuses_every_fault_at_once_and_writes_nothing(house: House) -> None:
    house.put("chat", prefix="chat")
    house.put("mqtt", auth={"replay": "BindToIP"})
    house.put_text("broken.yaml", "a: [")
    house.put("r", "TokenRevocation")
    with pytest.raises(FirstLoadError) as caught:
        house.renderer.render()
    faults = "\n".join(caught.value.faults)
    assert len(caught.value.faults) == 4
    for said in ("chat.yaml:7: spec.prefix", "broken.yaml:", "r.yaml:6: spec: nothing selects a token"):
        assert said in faults
    assert "mqtt.yaml:1: WsRoute default/mqtt: spec.auth.replay is not supported yet" in faults
    assert not (house.root / "out").exists()


def test_a_missing_folder_is_a_fault_at_start(house: House) -> None:
    house.config.rmdir()
    with pytest.raises(FirstLoadError, match="cannot be read"):
        house.renderer.render()


def test_a_conflict_is_no_fault_at_start(house: House, logs: Lines) -> None:
    house.put("a", prefix="/same")
    house.put("b", prefix="/same")
    house.renderer.render()
    assert house.served() == ["a"]
    accepted, conflict = logs.fields_of("verdict-changed")
    assert (accepted["reason"], accepted["place"]) == ("Accepted", "a.yaml:1")
    assert (conflict["reason"], conflict["place"]) == ("Conflict", "b.yaml:1")
    assert [found.levelname for found in logs.records if found.getMessage() == "verdict-changed"] == [
        "INFO",
        "WARNING",
    ]


def test_a_changed_file_is_rendered_at_the_next_poll(house: House) -> None:
    house.put("chat")
    house.renderer.render()
    house.put("more")
    house.put("r", "TokenRevocation", jti="x")
    house.renderer.poll()
    assert (house.served(), house.revoked()) == (["chat", "more"], ["default/r"])
    assert house.written("routes.yaml")["version"] == 2


def test_a_file_that_breaks_keeps_its_part_while_the_others_go_on(house: House, logs: Lines) -> None:
    house.put("chat")
    house.put("r", "TokenRevocation", jti="x")
    house.renderer.render()
    house.put("chat", prefix="chat")
    house.put_text("r.yaml", "kind: [")
    house.put("more")
    for _ in range(3):
        house.renderer.poll()
    assert (house.served(), house.revoked()) == (["chat", "more"], ["default/r"])
    problems = logs.fields_of("config-problem")
    assert [record["file"] for record in problems] == ["chat.yaml", "r.yaml"]
    assert problems[0]["field"] == "spec.prefix"
    assert problems[0]["fix"] == 'begin it with "/"'


def test_a_problem_that_comes_back_is_logged_again(house: House, logs: Lines) -> None:
    house.put("chat")
    house.renderer.render()
    for prefix in ("chat", "/chat", "chat"):
        house.put("chat", prefix=prefix)
        house.renderer.poll()
    assert len(logs.fields_of("config-problem")) == 2


def test_a_route_that_turns_invalid_keeps_its_last_accepted_version(house: House) -> None:
    house.put("chat")
    house.renderer.render()
    house.put("chat", auth={"replay": "BindToIP"})
    house.renderer.poll()
    assert house.served() == ["chat"]
    assert [verdict.reason for verdict in house.verdicts] == [VerdictReason.INVALID]


def test_verdicts_are_told_only_when_some_changed(house: House, logs: Lines) -> None:
    house.put("chat")
    house.renderer.render()
    house.put("chat", upstream="ws://b")
    house.renderer.poll()
    (house.config / "chat.yaml").unlink()
    house.renderer.poll()
    house.renderer.poll()
    assert house.verdicts == ()
    assert len(logs.fields_of("verdict-changed")) == 1


def test_the_revocations_stand_and_are_confirmed_while_a_file_is_broken(house: House, logs: Lines) -> None:
    house.put("r", "TokenRevocation", jti="x")
    house.renderer.render()
    house.put_text("r.yaml", "kind: [")

    async def scenario() -> None:
        async with house.followed() as confirmed:
            await eventually(lambda: bool(logs.fields_of("config-problem")), "the fault is told")
            before = len(confirmed)
            await eventually(lambda: len(confirmed) > before, "it confirms again")

    asyncio.run(scenario())
    assert house.revoked() == ["default/r"]


def test_a_look_that_hangs_confirms_nothing_and_then_no_more_than_its_beginning(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.renderer.render()

    async def scenario() -> None:
        async with house.followed() as confirmed:
            await eventually(lambda: bool(confirmed), "it confirms")
            folder = HangingFolder(monkeypatch)
            await eventually(folder.is_inside.is_set, "it looks")
            before, began = len(confirmed), house.now
            house.now += 60
            folder.may_go.set()
            await eventually(lambda: len(confirmed) > before + 1, "it confirms twice")
            assert confirmed[before : before + 2] == [(began, 1), (house.now, 1)]

    asyncio.run(scenario())


def test_what_could_not_be_written_is_not_confirmed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.renderer.render()
    failures = 0

    def fail(*_: object) -> None:
        nonlocal failures
        failures += 1
        full()

    async def scenario() -> None:
        async with house.followed() as confirmed:
            await eventually(lambda: bool(confirmed), "it confirms")
            with monkeypatch.context() as patch:
                patch.setattr("os.replace", fail)
                house.put("more", "TokenRevocation", jti="x")
                await eventually(lambda: failures > 0, "a write fails")
                before = len(confirmed)
                await eventually(lambda: failures > 2, "it is tried again")
                assert len(confirmed) == before
            await eventually(lambda: len(confirmed) > before, "it confirms again")
            assert confirmed[before][1] == 2
            assert house.revoked() == ["default/more"]

    asyncio.run(scenario())


def test_what_was_not_understood_is_not_confirmed_and_tried_again(
    house: House, logs: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.renderer.render()

    def defect(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("wsgate_operator.renderer.translate", defect)
        house.put("r", "TokenRevocation", jti="x")
        assert [house.renderer.poll(), house.renderer.poll()] == [None, None]
    (record,) = logs.fields_of("config-problem")
    assert "a defect" in record["problem"]
    assert house.renderer.poll() is not None
    assert house.revoked() == ["default/r"]


def test_a_poll_that_finds_nothing_new_looks_at_no_record(
    house: House, logs: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten thousand records take longer to render than a poll's interval.
    house.put("r", "TokenRevocation", jti="x")
    # Not just now: a second write could share its stamp.
    os.utime(house.config / "r.yaml", (house.now - 60, house.now - 60))
    house.renderer.render()

    def busy(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(DirectorySink, "write_revocations", busy)
    for _ in range(3):
        house.now += 60
        house.renderer.poll()
    assert not logs.fields_of("config-problem")


def test_a_write_that_failed_is_told_once_and_tried_again(
    house: House, logs: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("chat")
    house.renderer.render()

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        house.put("more")
        for _ in range(3):
            house.renderer.poll()
        assert house.served() == ["chat"]
    (record,) = logs.fields_of("config-problem")
    assert "cannot be written" in record["problem"]
    house.renderer.poll()
    assert house.served() == ["chat", "more"]


def test_running_it_follows_the_folder_until_it_is_cancelled(house: House) -> None:
    async def scenario() -> None:
        async with house.followed():
            await eventually(lambda: house.served() == ["chat"], "the first is served")
            house.put("more")
            await eventually(lambda: house.served() == ["chat", "more"], "both are served")

    house.put("chat")
    house.renderer.render()
    asyncio.run(scenario())


SECURED: dict[str, Any] = {"upstream": "wss://a.test", "upstreamTLS": {"clientCertificateRef": {"name": "client"}}}


def test_a_client_certificate_is_copied_and_followed(house: House) -> None:
    copy = house.put_secret()
    house.put("a", **SECURED)
    house.renderer.render()
    assert (house.served(), house.copies()) == (["a"], [copy])
    (path,) = (house.root / "out/secrets").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.name.removesuffix(".pem") == house.written("routes.yaml")["routes"][0]["clientCertificate"]
    renewed = house.put_secret()
    house.renderer.poll()
    assert house.copies() == [renewed]
    assert house.written("routes.yaml")["version"] == 1


def test_a_missing_certificate_is_a_fault_at_start_that_names_the_field(house: House) -> None:
    house.put("a", **SECURED)
    with pytest.raises(FirstLoadError) as caught:
        house.renderer.render()
    (fault,) = caught.value.faults
    assert fault.startswith("a.yaml:1: WsRoute default/a: spec.upstreamTLS.clientCertificateRef: no folder ")


def test_a_certificate_that_is_taken_away_ends_its_route_in_time(house: House) -> None:
    house.put_secret()
    house.put("a", **SECURED)
    house.put("b")
    house.renderer.render()
    (house.secrets / "client/tls.key").unlink()
    house.renderer.poll()
    assert house.served() == ["a", "b"]
    house.now += GONE_SECONDS
    house.renderer.poll()
    assert (house.served(), house.copies()) == (["b"], [])
    house.put_secret()
    house.renderer.poll()
    assert house.served() == ["a", "b"]


def test_an_expiry_is_told_when_it_comes(house: House) -> None:
    house.put_secret()
    house.put("a", **SECURED)
    house.renderer.render()
    house.now += 2 * 3600
    house.renderer.poll()
    (verdict,) = house.verdicts
    assert verdict.reason == VerdictReason.INVALID_CERTIFICATE_REF and "expired at" in verdict.message
    assert house.served() == ["a"]
