"""`manage.py whodid_triggers`: the SQL of the triggers that the setting TRIGGERS asks for."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from whodid.capture.django.hook import installed
from whodid.capture.django.triggers import script
from whodid.capture.triggers.standing import faults
from whodid.errors import WhodidError

__all__ = ["Command"]


class Command(BaseCommand):
    """Prints the SQL, to be read, committed as a migration and run; or says what the database lacks of it."""

    help = "Prints the SQL of the triggers that tell of changes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="the one that it is for")
        parser.add_argument("--remove", action="store_true", help="print the SQL that removes them")
        parser.add_argument("--check", action="store_true", help="say what the database lacks; end with an error if so")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the script, or look at the database."""
        try:
            made = script(installed(), options["database"])
        except WhodidError as error:
            raise CommandError(str(error)) from None
        if not options["check"]:
            self.stdout.write(made.remove() if options["remove"] else made.install(), ending="")
            return
        with connections[options["database"]].cursor() as cursor:
            found = faults(made, lambda query: _ask(cursor, query))
        for fault in found:
            self.stdout.write(f"{fault.table}  {fault.why}")
        if found:
            raise CommandError("Run the SQL that whodid_triggers prints")
        self.stdout.write("Every trigger is in place.")


def _ask(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())
