"""What the shop does past the ORM."""

from __future__ import annotations

from django.db import connection


def shout() -> None:
    """Write every tag in capitals."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_tag SET name = upper(name)")
