"""The log for people: what a viewer may see and ask, and how an entry is put into words and rows.

Presenters only, functions from the log to JSON values; HTTP is the server's. The built page lies under `static`.
"""

from __future__ import annotations

from whodid.viewer.asks import FILTERS, language, parameters, question
from whodid.viewer.present import Stay
from whodid.viewer.reader import Reader
from whodid.viewer.sight import PERSONAL

__all__ = ["FILTERS", "PERSONAL", "Reader", "Stay", "language", "parameters", "question"]
