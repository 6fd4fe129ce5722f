"""Write constraints.txt: every package that any part of the project uses, pinned, for Python 3.11 and newer.

The resolver is uv's universal one, so one file serves every supported Python and platform. `make constraints` runs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Every package that any part of the project uses, with the version that was tested.
# Written by `make constraints`; do not edit by hand.
"""


def main() -> None:
    """Resolve and write."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml"]
    command += ["--universal", "--python-version", "3.11", "--upgrade"]
    command += ["--all-extras", "--group", "dev", "--group", "lock"]
    command += ["--no-header", "--no-annotate", "--quiet"]
    resolved = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (ROOT / "constraints.txt").write_text(HEADER + resolved, encoding="utf-8")


if __name__ == "__main__":
    main()
