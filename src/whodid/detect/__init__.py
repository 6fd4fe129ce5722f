"""Detection: rules that notice, in the entries of a workspace, what somebody should look at.

`sigma` reads rules, `loading` tries them on their fixtures, `baseline` knows what is usual for a person, `geo` where an
address is, `run` takes entries and returns findings, `alert` is what becomes of a finding: values in,
values out. With a log work `looking` (what its entries hold), `follower` (what comes), `alerts` and `settings` (what
people do about it).
"""

from __future__ import annotations

from whodid.detect.alert import Alert, Verdict
from whodid.detect.alerts import Alerts, Page
from whodid.detect.baseline import Baseline, observe
from whodid.detect.follower import DetectionWorker, erase, reach
from whodid.detect.geo import ATTRIBUTION, Geo, Place
from whodid.detect.loading import built_in, load, read
from whodid.detect.looking import look
from whodid.detect.rule import LEVELS, Level, Rule
from whodid.detect.run import Finding, Run
from whodid.detect.settings import ALWAYS, LONGEST_MUTE, RuleSettings, read_settings
from whodid.detect.state import State

__all__ = [
    "ALWAYS",
    "ATTRIBUTION",
    "LEVELS",
    "LONGEST_MUTE",
    "Alert",
    "Alerts",
    "Baseline",
    "DetectionWorker",
    "Finding",
    "Geo",
    "Level",
    "Page",
    "Place",
    "Rule",
    "RuleSettings",
    "Run",
    "State",
    "Verdict",
    "built_in",
    "erase",
    "load",
    "look",
    "observe",
    "reach",
    "read",
    "read_settings",
]
