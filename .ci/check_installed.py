"""Checks the installed wheel: migrates an empty database to head, twice, and compares it with the models."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devmentor_models.embedded import EmbeddedServer

directory = Path(tempfile.mkdtemp(prefix="dm-wheel-"))
server = EmbeddedServer.start(directory, durable=False)
try:
    server.create_database("devmentor")
    environment = os.environ | {"DEVMENTOR_DATABASE_URL": server.url()}
    command = str(Path(sys.executable).with_name("devmentor-db"))
    for step in ("upgrade", "upgrade", "check"):
        subprocess.run([command, step], check=True, env=environment)  # noqa: S603 - the command we just installed
finally:
    server.stop()
    shutil.rmtree(directory)
