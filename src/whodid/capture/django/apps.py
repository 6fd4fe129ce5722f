"""The Django application: reads the settings and installs the hook when all models are known."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["WhodidConfig"]


class WhodidConfig(AppConfig):
    """Add `whodid.capture.django` to INSTALLED_APPS."""

    name = "whodid.capture.django"
    label = "whodid"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Install the hook.

        Raises:
            InvalidSetting: The setting WHODID cannot be used.
        """
        from whodid.capture.django import checks, signins
        from whodid.capture.django.hook import Hook
        from whodid.capture.django.plans import Plans
        from whodid.capture.django.settings import Home, settings

        said = settings()
        self.home = Home(said)
        self.hook = Hook(
            said.capture(self.home),
            Plans(said.models, said.exclude, said.triggers),
            limit=said.limit,
            check=self.home.check if said.check else None,
            unclaimed=said.unclaimed,
            exact=said.exact,
            on_failure=said.on_failure,
        )
        self.hook.install()
        signins.connect()
        checks.register()
