"""Detection: rules that notice, in the entries of a workspace, what somebody should look at.

`sigma` reads rules, `loading` tries them on their fixtures, `baseline` knows what is usual for a person, `run` takes
entries one after the other and returns findings, `looking` does so with what a log holds. Everything but the last is
values in, values out.
"""

from __future__ import annotations

from whodid.detect.baseline import Baseline, observe
from whodid.detect.loading import built_in, load, read
from whodid.detect.looking import look
from whodid.detect.rule import LEVELS, Level, Rule
from whodid.detect.run import Finding, Run, State

__all__ = [
    "LEVELS",
    "Baseline",
    "Finding",
    "Level",
    "Rule",
    "Run",
    "State",
    "built_in",
    "load",
    "look",
    "observe",
    "read",
]
