"""`manage.py whodid_doctor`: what leaves no entry."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from whodid.capture.django.doctor import examined
from whodid.capture.django.hook import installed

__all__ = ["Command"]


class Command(BaseCommand):
    """Lists models, fields and places in the code that can change without leaving an entry."""

    help = "Lists what can change without leaving an entry in the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--fail", action="store_true", help="end with an error when something is found that nobody excluded"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, and say what was found."""
        found = examined(installed())
        open_ones = [one for one in found if not one.meant]
        for one in found:
            self.stdout.write(f"{one.kind:<10} {one.about}  {one.why}")
        self.stdout.write(
            f"{len(open_ones)} of these nobody decided."
            if open_ones
            else "Everything that is not excluded leaves an entry."
        )
        if open_ones and options["fail"]:
            raise CommandError("Watch them, or name them in WHODID['EXCLUDE'] and run without --fail")
