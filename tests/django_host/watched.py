"""Settings of the shop, and the lines that an audit log needs."""

from __future__ import annotations

from tests.django_host.plain import *  # noqa: F403
from tests.django_host.plain import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS += ["whodid.capture.django"]
MIDDLEWARE.insert(0, "whodid.capture.django.Middleware")
WHODID = {"LOG": "memory://", "WORKSPACE": "shop", "TRUSTED_PROXIES": 1}
