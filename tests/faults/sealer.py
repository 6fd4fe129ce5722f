"""A process that seals whatever is there, over and over, until somebody ends it. Usage: sealer.py URL WORKSPACE."""

from __future__ import annotations

import os
import sys

import whodid


def main(url: str, workspace: str) -> None:
    """Seal for ever, and say so once per seal."""
    with whodid.open(url) as log:
        os.write(1, b"ready\n")
        while True:
            for sealed in log.seal(workspace, close=True):
                os.write(1, b"%d\n" % sealed.number)


if __name__ == "__main__":
    main(*sys.argv[1:])
