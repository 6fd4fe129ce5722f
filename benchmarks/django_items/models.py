"""The table. A package that wants to be told of it at this place is told."""

from __future__ import annotations

import os
from typing import Any

from django.db import models


def _tracked(model: Any) -> Any:
    if os.environ.get("VARIANT", "").startswith("django-pghistory"):
        import pghistory

        return pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())(model)
    if os.environ.get("VARIANT") == "django-simple-history":
        from simple_history import register

        register(model, app=__package__)
    return model


@_tracked
class Item(models.Model):
    """A row."""

    name = models.CharField(max_length=100)
    status = models.CharField(max_length=20)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    quantity = models.IntegerField()
    active = models.BooleanField(default=True)
    made = models.DateTimeField()
    note = models.TextField(default="")
    owner = models.IntegerField(null=True)

    def __str__(self) -> str:
        return str(self.name)


class Label(models.Model):
    """A word on a thing."""

    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


@_tracked
class Thing(models.Model):
    """A row with a secret, a unique name and labels."""

    name = models.CharField(max_length=50, unique=True)
    city = models.CharField(max_length=50, default="")
    api_token = models.CharField(max_length=50, default="")
    labels = models.ManyToManyField(Label)

    def __str__(self) -> str:
        return str(self.name)
