"""wsgate standalone: both components in one process, from a folder of YAML."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import uvloop

from wsgate_dataplane.server import Address, DataPlane
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.telemetry.log import configure

HELP = "serve the routes of a folder of YAML, or of the original's routes file"
