"""What the guides show works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory

GUIDE = (Path(__file__).parents[2] / "docs" / "memory.md").read_text()


def _prepare(engine: Engine) -> None:
    with Session(engine) as session:
        UserFactory.insert(session, username="ada")
        EmbeddingModelFactory.insert(session, name="tiny-3", dimensions=3)
        session.commit()
    engine.dispose()


def test_the_guide_to_memory(devmentor_database_url: str, tmp_path: Path) -> None:
    """Its example stores and finds, twice."""
    _prepare(create_engine(devmentor_database_url))
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    script = tmp_path / "guide.py"
    script.write_text(code)
    environment = os.environ | {"DEVMENTOR_DATABASE_URL": devmentor_database_url}
    for created in (1, 0):
        done = subprocess.run(  # noqa: S603 - the guide's own code
            [sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False
        )
        assert (done.stdout, done.stderr) == (f"{created} ['src/app/main.py'] False\n", "")
