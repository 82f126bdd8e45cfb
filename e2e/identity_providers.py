"""Identity providers that others wrote, as processes: oidc-provider on Node and Keycloak."""

import json
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from e2e.daemon import Daemon, free_port

HTTP_SECONDS = 10.0


class IdentityProvider(ABC):
    """`with OIDCProvider(...) as provider`; it is found by OIDC discovery."""

    AUDIENCE: str
    """Of the tokens that the gateway is to accept."""
    START_SECONDS: float

    def __init__(self, issuer: str, name: str, command: Sequence[str | Path], folder: Path) -> None:
        self.issuer = issuer
        self.daemon = Daemon(name, command, folder)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """For their logs."""
        return (self.daemon,)

    @property
    def as_provider(self) -> dict[str, Any]:
        """An element of auth.providers: nothing but the issuer and what its tokens must be meant for."""
        return {"issuer": self.issuer, "audiences": [self.AUDIENCE]}

    @abstractmethod
    def token(self) -> str:
        """A new access token that the gateway is to accept."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.daemon.start()
        self.daemon.wait(self._answers, "answers", self.START_SECONDS)

    def stop(self) -> None:
        """End it."""
        self.daemon.stop()

    def metadata(self) -> dict[str, Any]:
        """Its discovery document."""
        with urllib.request.urlopen(
            f"{self.issuer}/.well-known/openid-configuration", timeout=HTTP_SECONDS
        ) as found:
            document: dict[str, Any] = json.load(found)
        return document

    def grant(self, **form: str) -> dict[str, Any]:
        """What the token endpoint answers; raises HTTPError."""
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self.metadata()["token_endpoint"], data, timeout=HTTP_SECONDS) as found:
            document: dict[str, Any] = json.load(found)
        return document

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.daemon.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            return bool(self.metadata()["issuer"] == self.issuer)
        except OSError:
            return False


class OIDCProvider(IdentityProvider):
    """The part oidc-provider; each start has new keys, which none of its tokens outlives."""

    AUDIENCE = "urn:wsgate:chat"
    START_SECONDS = 20.0
    ROLES = "reader,chat:writer"

    def __init__(self, part: Path, folder: Path, callback: str = "http://127.0.0.1/callback") -> None:
        """callback: where the client "page", a browser's, takes its code."""
        port = free_port()
        command = ("node", part / "server.js", str(port), callback)
        super().__init__(f"http://127.0.0.1:{port}", "oidc-provider", command, folder)

    def token(self, audience: str = AUDIENCE) -> str:
        """Of the client "service"."""
        client = {"client_id": "service", "client_secret": "the-secret-of-the-service"}
        token: str = self.grant(grant_type="client_credentials", resource=audience, **client)["access_token"]
        return token

    def key_fetches(self) -> int:
        """How often its keys were asked for, over all its starts."""
        return self.daemon.text().count("GET /jwks\n")


class Keycloak(IdentityProvider):
    """The part keycloak with its realm; what changes at run time is kept in memory."""

    AUDIENCE = "chat-gateway"
    START_SECONDS = 240.0
    """Half a minute of work, on a machine that may have other things to do."""

    def __init__(self, part: Path, folder: Path) -> None:
        home, port = part / "keycloak", free_port()
        # By itself: a kill would reach kc.sh and leave the process that it starts.
        java = (
            "java",
            "-Xms64m",
            "-Xmx512m",
            # It runs for a minute, in which no better code pays.
            "-XX:TieredStopAtLevel=1",
            "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
            f"-Dkc.home.dir={home}",
            f"-Djboss.server.config.dir={home}/conf",
            *("-cp", home / "lib/quarkus-run.jar", "io.quarkus.bootstrap.runner.QuarkusEntryPoint"),
        )
        options = ("start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true")
        listeners = ("--http-host=127.0.0.1", f"--http-port={port}", f"--http-management-port={free_port()}")
        command = (*java, *options, "--hostname-strict=false", *listeners)
        super().__init__(f"http://127.0.0.1:{port}/realms/wsgate", "keycloak", command, folder)

    def token(self) -> str:
        """Of alice by the client that has a mapper for the audience."""
        token: str = self.login("with-mapper")["access_token"]
        return token

    def login(self, client: str) -> dict[str, Any]:
        """All tokens of a new login of alice."""
        return self.grant(
            grant_type="password", client_id=client, username="alice", password="password", scope="openid"
        )
