"""The table of the outbox."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates `whodid_outbox`."""

    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar[list[object]] = [
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("place", models.BigAutoField(primary_key=True, serialize=False)),
                ("workspace", models.CharField(max_length=200)),
                ("event", models.TextField()),
                ("written_at", models.DateTimeField()),
                ("fault", models.TextField(null=True)),
            ],
            options={"db_table": "whodid_outbox"},
        ),
    ]
