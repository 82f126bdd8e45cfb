"""Fuzz target: any bytes, cut anywhere, are forwarded as a prefix of themselves and end in a known state.

`make fuzz` runs it under atheris, which is guided by coverage; tests/fuzz/test_scanner.py runs it on
what Hypothesis finds.
"""

import sys

from wsgate_dataplane.frames.scanner import FrameLimits, Rule, Scanner


def one_input(data: bytes) -> None:
    """The first byte chooses the direction and the extension, the second the size of the pieces."""
    if len(data) < 2:
        return
    mode, piece, stream = data[0], data[1] % 64 + 1, data[2:]
    limits = FrameLimits(max_message_bytes=1000, max_fragments=4, max_control_frames_per_second=8)
    scanner = Scanner(limits, lambda: 0.0, masked=bool(mode & 1), extensions=bool(mode & 2))
    forwarded = b""
    for start in range(0, len(stream), piece):
        forwarded += scanner.feed(stream[start : start + piece])
    assert stream.startswith(forwarded)
    if scanner.violation is not None:
        assert scanner.is_stopped
        assert scanner.is_at_boundary
        assert scanner.violation.rule in Rule
    if scanner.close_code is not None:
        assert scanner.is_stopped
        assert 0 <= scanner.close_code <= 0xFFFF


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
