"""What all commands share: options, exit codes, and how results and errors are shown.

The only file that imports click and rich. Results go to standard output, everything else to standard error. A terminal
gets tables and colours; a pipe gets one line per result with tabs between the fields, and nothing is cut. Text that
came with an entry never reaches a terminal with its control characters.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, TypeVar

import click
import msgspec

from whodid.errors import NotFound, StoreError, WhodidError

__all__ = [
    "ABSENT",
    "PROBLEM",
    "UNKNOWN_KEY",
    "USAGE",
    "Choice",
    "IntRange",
    "argument",
    "command",
    "counted",
    "finish",
    "for_people",
    "from_environment",
    "group",
    "hide_options",
    "json",
    "json_option",
    "line",
    "note",
    "option",
    "progress",
    "raw",
    "run",
    "steps",
    "store_options",
    "table",
    "visible",
    "workspace_option",
    "zone_option",
]

OK, PROBLEM, USAGE, STORE, ABSENT, UNKNOWN_KEY, INTERRUPTED, UNEXPECTED = 0, 1, 2, 3, 4, 5, 130, 70

argument = click.argument
option = click.option
Choice = click.Choice
IntRange = click.IntRange

_Function = TypeVar("_Function", bound=Callable[..., Any])

_COMMANDS = {
    "serve": ("serving", "Serve the HTTP API, the viewer and automatic purging."),
    "tail": ("reading", "Show the newest entries, and follow new ones with -f."),
    "search": ("reading", "Find entries: whodid search maria action:deleted."),
    "show": ("reading", "Show one entry by its index or id."),
    "stats": ("reading", "Show how much a store holds, and of what."),
    "detect": ("detecting", "Find what is unusual in stored entries, by rules."),
    "export": ("keeping", "Write entries to a CSV, NDJSON or Parquet file."),
    "answer": ("answering", "Answer an auditor: who deleted this, who had which role …"),
    "review": ("reviewing", "Show signed reviews, and check them."),
    "evidence": ("evidencing", "Write a page that answers and proves itself offline."),
    "verify": ("verifying", "Check a store, or a file that it made, for tampering."),
    "seal": ("keeping", "Seal segments that have ended; serve does it by itself."),
    "purge": ("keeping", "Remove what retention says; --dry-run only tells."),
    "retention": ("keeping", "Show or change how long entries are kept."),
    "backup": ("copying", "Copy a SQLite store to a file while it is used."),
    "copy": ("copying", "Move all logs to another store, with every proof."),
    "hold": ("holding", "Place, list and release legal holds."),
    "erase": ("erasing", "Erase a person; entries and proofs stay."),
    "erasures": ("erasing", "List erasures; erase again after a restore."),
    "anchor": ("witnessing", "Put the heads of all workspaces into the anchor log."),
    "cosign": ("witnessing", "Have witnesses cosign the newest head."),
    "stamp": ("witnessing", "Have the newest head stamped with the time."),
    "witness": ("witnessing", "Be a witness for logs of others."),
    "import": ("bringing", "Record events from files of whodid, GitHub, AWS."),
    "keys": ("sending", "Make, list, rotate and revoke API keys."),
    "head": ("heads", "Show the signed head, or send it to who keeps it."),
    "sinks": ("sinking", "Feed the log to files, webhooks and SIEMs."),
    "ship": ("sending", "Send what dead processes left in a spool."),
    "relay": ("relaying", "Carry events from an application's outbox to the log."),
    "geo": ("locating", "Fetch the tables that say where addresses are."),
    "doctor": ("examining", "List what of an application is not recorded."),
}
_EPILOG = "Exit codes: 0 fine, 1 problem, 2 input, 3 store, 4 absent or purged, 5 own key"

# Control characters, line and paragraph separators, and what turns the direction of writing.
_HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class _Group(click.Group):
    """Commands that are imported when they are called, and listed without being imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"whodid.cli.{_COMMANDS[cmd_name][0]}")
        found: click.Command = module.COMMANDS[cmd_name]
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_heading("Commands")  # without the empty line of a section: all of this is to fit one screen
        with formatter.indentation():
            formatter.write_dl([(name, short) for name, (_, short) in _COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_text(_EPILOG)  # without the empty line before it: all of this is to fit one screen


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


@click.group(cls=_Group, context_settings=_SETTINGS)
@click.version_option(package_name="whodid", message="whodid %(version)s")
def _program() -> None:
    """Who did what, when, and what changed, in the log that --store names."""


def command(function: _Function) -> click.Command:
    r"""Make a command of a function whose options were declared.

    Its docstring is its help; a line with nothing but \b keeps the paragraph after it as it is written.
    """
    return click.command(help=_help(function), context_settings=_SETTINGS)(function)


class _Commands(click.Group):
    """Commands of one noun, in the order in which they stand in the file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def command(self, name: str) -> Callable[[Callable[..., Any]], click.Command]:  # type: ignore[override]
        """Make a command of the group, as `command` makes one of the program."""

        def add(function: Callable[..., Any]) -> click.Command:
            made = click.command(name, help=_help(function), context_settings=_SETTINGS)(function)
            self.add_command(made)
            return made

        return add


def group(function: Callable[..., Any]) -> _Commands:
    """Make a group of commands whose help is the docstring of a function."""
    return click.group(cls=_Commands, help=_help(function), context_settings=_SETTINGS)(function)


def _help(function: Callable[..., Any]) -> str:
    return inspect.cleandoc(function.__doc__ or "").replace("\\b\n", "\b\n")


def store_options(function: _Function) -> _Function:
    """Add the options that name the store and its key file."""
    function = click.option(
        "--key-file",
        envvar="WHODID_KEY_FILE",
        metavar="PATH",
        help="Its key file. [default: beside the store]",
    )(function)
    return click.option(
        "--store",
        envvar="WHODID_STORE",
        metavar="URL",
        help="Store: sqlite:///audit.db. [env: WHODID_STORE]",
    )(function)


def workspace_option(function: _Function) -> _Function:
    """Add the option that names the workspace."""
    return click.option(
        "-w",
        "--workspace",
        envvar="WHODID_WORKSPACE",
        metavar="NAME",
        help="Workspace. [env: WHODID_WORKSPACE]",
    )(function)


def hide_options(function: _Function) -> _Function:
    """Add the options that say what a file is made without."""
    fields = click.option("--hide", multiple=True, metavar="FIELDS", help="Hide actor.name,changes.email …")
    people = click.option(
        "--hide-person", multiple=True, metavar="TYPE:ID", help="Hide what is this person's; repeatable."
    )
    return fields(people(function))


def zone_option(function: _Function) -> _Function:
    """Add the option that names the time zone of dates that are read and written."""
    return click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="Time zone of dates.")(
        function
    )


def json_option(function: _Function) -> _Function:
    """Add the option that asks for output for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON for machines.")(function)


def finish(code: int) -> None:
    """End the command with an exit code."""
    raise click.exceptions.Exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the program.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code. Nothing is raised; what went wrong is on standard error as fact and remedy.
    """
    try:
        return int(_program.main(list(arguments), prog_name="whodid", standalone_mode=False) or OK)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        note("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; without this, Python complains again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except WhodidError as error:
        note(f"whodid: {error}")
        return STORE if isinstance(error, StoreError) else ABSENT if isinstance(error, NotFound) else USAGE
    except OSError as error:
        note(f"whodid: {error.filename or 'The system'}: {error.strerror or error}.")
        return USAGE
    except Exception as error:  # noqa: BLE001 - a program of ours ends with a sentence, not with a traceback
        if isinstance(error, MemoryError) or str(error) == "can't start new thread":
            note(
                "whodid: The system gives no more memory or threads. Let the process have more (ulimit -v, ulimit -u)."
            )
            return USAGE
        if os.environ.get("WHODID_DEBUG"):
            traceback.print_exc()
        else:
            note(f"whodid: This should not happen: {error!r}. Set WHODID_DEBUG=1 to see where, and report it.")
        return UNEXPECTED


# ------------------------------------------------------------------------------------------------------------- output


def visible(text: str) -> str:
    """Return a text with whatever could command a terminal written out as an escape."""
    return _HOSTILE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def counted(number: int, noun: str) -> str:
    """Write how many there are of something.

    Args:
        noun: Of one of them.
    """
    several = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def note(text: str) -> None:
    """Say something on standard error."""
    click.echo("\n".join(visible(line) for line in text.split("\n")), err=True)


def line(*fields: str) -> None:
    """Write one line on standard output, its fields divided by tabs."""
    click.echo("\t".join(visible(field) for field in fields))


def json(value: Any) -> None:
    """Write a value as one line of JSON on standard output."""
    raw(msgspec.json.encode(value) + b"\n")


def raw(data: bytes) -> None:
    """Write bytes on standard output as they are."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def from_environment(name: str) -> bool:
    """Tell whether the value of an option of the running command comes from a variable."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT


def for_people() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout.isatty()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, wide: int = -1) -> None:
    """Write rows: a table on a terminal, fields divided by tabs elsewhere.

    Args:
        columns: Headings, all empty for none; one that begins with `>` makes a column of numbers.
        wide: Index of the column that takes the room that is left, and whose text is folded rather than cut.
    """
    if not for_people():
        for row in rows:
            line(*row)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        box=box.SIMPLE_HEAD if any(columns) else None,
        show_header=any(columns),
        pad_edge=False,
        padding=(0, 2, 0, 0),
        expand=wide >= 0,
    )
    for at, heading in enumerate(columns):
        number = heading.startswith(">")
        shown.add_column(
            heading.lstrip(">"),
            justify="right" if number else "left",
            ratio=1 if at == wide else None,
            overflow="fold",
            no_wrap=number,
        )
    for row in rows:
        shown.add_row(*(Text(visible(field)) for field in row))
    Console(highlight=False, emoji=False).print(shown)


@contextmanager
def steps() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far each of several steps is, one after the other, if standard error is a terminal.

    Returns:
        A function to call with what is going on, how much of it was done so far, and how much there is.
    """
    with ExitStack() as stack:
        shown: list[str] = []
        running: list[Callable[[int], None]] = []

        def tell(what: str, done: int, total: int) -> None:
            if shown != [what]:
                stack.close()
                shown[:] = [what]
                running[:] = [stack.enter_context(progress(what, total))]
            running[0](done)

        yield tell


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far something is, if standard error is a terminal.

    Args:
        label: What is going on.
        total: How much there is to do, or None when that is not known.

    Returns:
        A function to call with how much was done so far.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)
