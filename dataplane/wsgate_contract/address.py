"""Where a process listens, as both components' settings and options say it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """Where to listen; host None: every address, v4 and v6; port 0: any free one."""

    host: str | None
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """HOST:PORT, :PORT or [V6]:PORT; raises ValueError that says so."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"expected HOST:PORT, found {text!r}")
        return cls(host.strip("[]") or None, int(port))
