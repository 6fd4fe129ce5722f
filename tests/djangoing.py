"""One Django for all tests of a process, with several databases: settings can be configured once only."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["ready"]

WORKSPACE = "w1"


@cache
def ready() -> Path:
    """Configure Django, once; return the folder of its databases."""
    import django
    from django.conf import settings

    folder = Path(tempfile.mkdtemp(prefix="whodid-django-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.configure(
        SECRET_KEY="of the tests",
        USE_TZ=True,
        ALLOWED_HOSTS=["*"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            name: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / f"{name}.db")}
            for name in ("default", "other")
        },
        DATABASE_ROUTERS=[],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.admin",
            "whodid.capture.django",
            "tests.django_host.shop",
        ],
        MIDDLEWARE=[
            "whodid.capture.django.Middleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        ROOT_URLCONF="tests.django_host.urls",
        WHODID={"LOG": "memory://", "WORKSPACE": WORKSPACE, "TRUSTED_PROXIES": 1},
    )
    django.setup()
    return folder
