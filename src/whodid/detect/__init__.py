"""Detection: rules that notice, in the entries of a workspace, what somebody should look at.

`sigma` reads rules, `loading` tries them on their fixtures, `sentence` writes one out, `baseline` knows what is usual
for a person, `geo` where an address is, `run` takes entries and returns findings, `alert` is what becomes of a finding:
values in, values out. With a log work `looking` (what its entries hold), `preview` (what a rule would have found),
`follower` (what comes), `alerts`, `settings` and `own` (what people do about it).
"""

from __future__ import annotations

from whodid.detect.alert import Alert, Verdict
from whodid.detect.alerts import DETECTION, Alerts, Page
from whodid.detect.baseline import Baseline, observe
from whodid.detect.follower import DetectionWorker, erase, reach
from whodid.detect.geo import ATTRIBUTION, Geo, Place
from whodid.detect.loading import built_in, load, read
from whodid.detect.looking import look, recalling
from whodid.detect.numbers import check_numbers
from whodid.detect.own import Draft, Rules, compiled, is_personal, rules_of, written
from whodid.detect.preview import Preview, check_preview, preview
from whodid.detect.rule import LEVELS, Level, Number, Rule, slots
from whodid.detect.run import Finding, Run
from whodid.detect.sentence import Sentence
from whodid.detect.settings import ALWAYS, LONGEST_MUTE, OwnRule, RuleSettings, Settings, read_settings
from whodid.detect.state import State
from whodid.detect.words import code_in, translated

__all__ = [
    "ALWAYS",
    "ATTRIBUTION",
    "DETECTION",
    "LEVELS",
    "LONGEST_MUTE",
    "Alert",
    "Alerts",
    "Baseline",
    "DetectionWorker",
    "Draft",
    "Finding",
    "Geo",
    "Level",
    "Number",
    "OwnRule",
    "Page",
    "Place",
    "Preview",
    "Rule",
    "RuleSettings",
    "Rules",
    "Run",
    "Sentence",
    "Settings",
    "State",
    "Verdict",
    "built_in",
    "check_numbers",
    "check_preview",
    "code_in",
    "compiled",
    "erase",
    "is_personal",
    "load",
    "look",
    "observe",
    "preview",
    "reach",
    "read",
    "read_settings",
    "recalling",
    "rules_of",
    "slots",
    "translated",
    "written",
]
