"""Runs the flows of the previous release on the schema of the installed one; fails if they do.

The argument is the Python of an environment that has the previous release.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devmentor_models import migrate
from devmentor_models.embedded import EmbeddedServer

(previous,) = sys.argv[1:]
directory = Path(tempfile.mkdtemp(prefix="dm-compatibility-"))
server = EmbeddedServer.start(directory, durable=False)
try:
    server.create_database("devmentor")
    migrate.upgrade(server.url())
    environment = os.environ | {"DEVMENTOR_DATABASE_URL": server.url()}
    flows = [previous, "-m", "devmentor_models.testing.flows"]
    done = subprocess.run(flows, env=environment, check=False)  # noqa: S603 - the environment of the session
finally:
    server.stop()
    shutil.rmtree(directory)
sys.exit(done.returncode)
