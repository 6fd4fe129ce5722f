"""The hook for Django 5 and later: every change of a row becomes an entry, in the transaction of the change.

Five lines of settings are enough::

    INSTALLED_APPS += ["whodid.capture.django"]
    MIDDLEWARE.insert(0, "whodid.capture.django.Middleware")
    WHODID = {"LOG": "sqlite:///audit.db", "WORKSPACE": "shop"}

`installed()` is the hook, with the `Capture` to record actions of the application's own; `audited` tells how a model is
watched. This folder is the only place that imports Django.
"""

from whodid.capture.django.hook import installed
from whodid.capture.django.middleware import Middleware
from whodid.capture.django.options import audited
from whodid.capture.django.relaying import relays

__all__ = ["Middleware", "audited", "installed", "relays"]
