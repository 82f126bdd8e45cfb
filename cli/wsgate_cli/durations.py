"""Durations as people type them."""

import argparse
import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration_seconds(text: str) -> int:
    """30s, 15m, 24h or 7d as seconds; for argparse, hence its error."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a duration such as 30s, 15m, 24h or 7d, found {text!r}")
    return int(found[1]) * UNITS[found[2]]
