"""The command line: a door over the rooms, one file per group of commands.

`ui` is the only file that imports click and rich. Commands are loaded when they are called, so that `whodid --help` is
quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code; what the codes mean is in `whodid --help`.

    Args:
        arguments: Without the program's name; by default those of the process.
    """
    try:
        from whodid.cli import ui
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.stderr.write(
            f"whodid: The command line needs {error.name}, which is not installed. Run: pip install 'whodid[cli]'.\n"
        )
        sys.exit(2)
    sys.exit(ui.run(sys.argv[1:] if arguments is None else list(arguments)))
