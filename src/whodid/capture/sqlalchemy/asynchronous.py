"""Recognises what is SQLAlchemy's for asyncio, without importing it: that needs greenlet, which only its users have."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_async"]


def is_async(value: Any, name: str) -> bool:
    """Tell whether a value is of a class of `sqlalchemy.ext.asyncio`.

    Args:
        name: Of the class. Whoever has a value of it has imported that package.
    """
    package = sys.modules.get("sqlalchemy.ext.asyncio")
    return package is not None and isinstance(value, getattr(package, name))
