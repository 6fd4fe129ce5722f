"""The table of the outbox."""

from __future__ import annotations

from django.db import models

__all__ = ["Outbox"]


class Outbox(models.Model):
    """An event that was committed and that the log does not have yet."""

    place = models.BigAutoField(primary_key=True)
    workspace = models.CharField(max_length=200)
    event = models.TextField()
    written_at = models.DateTimeField()
    fault = models.TextField(null=True)  # noqa: DJ001 - null while it waits; then why it was set aside

    class Meta:
        db_table = "whodid_outbox"

    def __str__(self) -> str:
        return f"event {self.place}"
