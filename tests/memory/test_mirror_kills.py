"""The worker as a process of its own: killed at any moment, or ending in good order when asked to (S4)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from tests.support.mirroring import Mirrored

pytestmark = pytest.mark.kills

ROUNDS = 4
PATIENCE_SECONDS = 60


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "the worker does nothing"
        time.sleep(0.02)


def test_killed_workers_lose_nothing(
    mirrored: Mirrored, mirror_urls: tuple[str, str], tmp_path: Path
) -> None:
    """SIGKILL while it delivers, again and again; the last one gets SIGTERM when all is done."""
    environment = os.environ | {
        "DEVMENTOR_DATABASE_URL": mirror_urls[1],
        "DEVMENTOR_QDRANT_URL": f"file://{tmp_path}",
    }
    command = [sys.executable, "-m", "devmentor_models.cli", "sync-qdrant", "--watch", "--batch", "5"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours

    def shrunk(before: int) -> bool:
        return len(mirrored.queued()) < before

    user = mirrored.new_user()
    for _ in range(ROUNDS):
        first, *_ = mirrored.store(user, 60)
        mirrored.soft_delete(user, first)
        queued = len(mirrored.queued())
        with start() as worker:
            _wait(partial(shrunk, queued))
            time.sleep(random.uniform(0, 0.1))  # noqa: S311 - any moment will do
            worker.kill()
        assert worker.returncode == -signal.SIGKILL
        mirrored.end_leases()
    with start() as worker:
        _wait(lambda: mirrored.queued() == [])
        worker.terminate()
        assert worker.stdout is not None
        assert worker.stdout.read().startswith("Delivered: ")
    assert worker.returncode == 0
    mirrored.client.close()
    mirrored.client = QdrantClient(path=str(tmp_path))
    assert mirrored.is_whole()
    assert len(mirrored.found()) == ROUNDS * 59 * 2
