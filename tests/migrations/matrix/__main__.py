"""Write the documentation page of the matrix: ``python -m tests.migrations.matrix --write``."""

import sys

from tests.migrations.matrix import CASES
from tests.migrations.matrix.table import PAGE, page

if "--write" in sys.argv:
    PAGE.write_text(page(CASES), encoding="utf-8")
else:
    sys.stdout.write(page(CASES))
