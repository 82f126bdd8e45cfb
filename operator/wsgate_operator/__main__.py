"""`python -m wsgate_operator`: the operator of a gateway in a cluster, until SIGTERM."""

import asyncio
import logging
import os
import signal
import socket
import sys

from pydantic import ValidationError

from wsgate_operator.controller.gateway_operator import Operator
from wsgate_operator.settings import ClusterSettings
from wsgate_operator.sources.cluster.connection import NoClusterError, connect
from wsgate_operator.telemetry.log import configure

_log = logging.getLogger("wsgate.operator")


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 where settings or the cluster cannot be used, 1 after a defect."""
    configure(sys.stderr, "INFO")
    try:
        settings = ClusterSettings.load(os.environ)
        configure(sys.stderr, settings.log_level)
        asyncio.run(_run(settings))
    except ValidationError as error:
        lines = [
            f"WSGATE_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors(include_input=False)
        ]
        return _cannot_start("\n".join(lines))
    except (NoClusterError, OSError, ValueError) as error:
        return _cannot_start(str(error))
    except Exception:  # noqa: BLE001  # the outermost border: also its end is a line of JSON
        _log.critical("crashed", exc_info=True, extra={"fields": {"advice": "report this as a defect"}})
        return 1
    return 0


async def _run(settings: ClusterSettings) -> None:
    api = await connect(os.environ)
    loop, working = asyncio.get_running_loop(), asyncio.current_task()
    assert working is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.cancel)
    try:
        await Operator(settings, api, socket.gethostname()).run()
    except asyncio.CancelledError:
        _log.info("stopped")
    finally:
        await api.close()  # type: ignore[no-untyped-call]  # no types


def _cannot_start(why: str) -> int:
    _log.critical("cannot start", extra={"fields": {"detail": why}})
    return 2


if __name__ == "__main__":
    sys.exit(main())
