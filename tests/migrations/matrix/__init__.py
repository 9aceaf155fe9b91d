"""Every kind of schema change, made in the models and behind their back."""

import pkgutil
from importlib import import_module

from tests.migrations.matrix.case import CASES, Case

for _module in sorted(found.name for found in pkgutil.iter_modules(__path__)):
    if _module.startswith("cases_"):
        import_module(f"{__name__}.{_module}")

__all__ = ["CASES", "Case"]
