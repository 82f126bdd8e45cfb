"""Clients under whose hands something goes wrong at the worst moment."""

from tests.operator.sinks.revocation_log.house import KEYS, Writer, ask
from tests.support.valkey import ValkeyServer


class Disturbed:
    """A client under whose hands the set is lost just before each transaction is sent."""

    def __init__(self, writer: Writer, server: ValkeyServer, times: int = 1) -> None:
        self._client = writer.client
        self._server = server
        self.times = times

    def pipeline(self) -> object:
        pipe = self._client.pipeline()
        multi = pipe.multi

        def disturbed() -> None:
            if self.times:
                self.times -= 1
                ask(self._server, "SET", KEYS.log, "x")
                ask(self._server, "FLUSHALL")
            multi()  # type: ignore[no-untyped-call]  # redis-py has no annotation here

        pipe.multi = disturbed  # type: ignore[method-assign]  # injects a fault
        return pipe


class Killing:
    """A client whose connection is cut after a number of transactions, once."""

    def __init__(self, writer: Writer, server: ValkeyServer, after: int) -> None:
        self._client = writer.client
        self._server = server
        self._left: int | None = after

    def pipeline(self) -> object:
        if self._left == 0:
            self._left = None
            raise ConnectionResetError
        if self._left is not None:
            self._left -= 1
        return self._client.pipeline()


class Frozen:
    """A client whose server stops between reading and writing, once."""

    def __init__(self, writer: Writer, server: ValkeyServer) -> None:
        self._client = writer.client
        self._server: ValkeyServer | None = server

    def pipeline(self) -> object:
        pipe = self._client.pipeline()
        execute = pipe.execute

        async def frozen() -> object:
            if self._server is not None:
                self._server.freeze()
                self._server = None
            return await execute()

        pipe.execute = frozen  # type: ignore[assignment,method-assign]  # injects a fault
        return pipe
