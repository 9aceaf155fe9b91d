"""A real server that loads the service, verifies the schema, and then forks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import pytest

pytestmark = pytest.mark.faults
WORKERS = 3
REQUESTS = 150
START_SECONDS = 30.0


@contextmanager
def gunicorn(url: str, log: Path) -> Iterator[str]:
    """Run the service with some workers of some threads each; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    options = ["--preload", f"--workers={WORKERS}", "--threads=4", f"--bind={address}", "--no-control-socket"]
    command = [sys.executable, "-W", "error", "-m", "gunicorn", *options, "tests.support.preloaded:service()"]
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: S603 - our own service
            command,
            env=os.environ | {"DEVMENTOR_DATABASE_URL": url, "DEVMENTOR_POOL_MAX": "4"},
            stdout=output,
            stderr=output,
        )
    try:
        yield f"http://{address}"
    finally:
        server.terminate()
        assert server.wait(START_SECONDS) == 0, log.read_text()


def ask(address: str) -> dict[str, Any]:
    """Ask as some user, who must be answered."""
    user = str(uuid4())
    with urlopen(f"{address}/?{user}", timeout=START_SECONDS) as response:  # noqa: S310 - our own service
        answer: dict[str, Any] = json.load(response)
    assert answer["user"] == user
    return answer


def until_it_answers(address: str, log: Path) -> None:
    """Wait until the service has started."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            ask(address)
        except OSError:
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.05)
        else:
            return


def test_workers_that_were_forked_after_verify_schema(devmentor_url: str, tmp_path: Path) -> None:
    """Each worker has backends of its own, and every answer is that of the user who asked."""
    log = tmp_path / "log"
    with gunicorn(devmentor_url, log) as address:
        until_it_answers(address, log)
        with ThreadPoolExecutor(12) as clients:
            answers = list(clients.map(ask, [address] * REQUESTS))
    workers: dict[int, set[int]] = defaultdict(set)
    for answer in answers:
        workers[answer["backend"]].add(answer["worker"])
        assert answer["worker"] != answer["master"]
    assert all(len(served) == 1 for served in workers.values()), workers
    assert len(set.union(*workers.values())) > 1
    assert "Traceback" not in log.read_text()
