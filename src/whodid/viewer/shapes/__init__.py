"""The shapes of the answers that show the log, for the description of the API.

The presenters make plain values; the tests decode every answer that they get into these types, with nothing left over.
What a viewer may not see is a `Hidden` where the value would be; what an entry does not have is absent.
"""

from whodid.viewer.shapes.counts import Bars, CatalogView, FacetValues, RetentionView, StandingOut, Suggestions
from whodid.viewer.shapes.entries import Count, EntryView, Page, Row
from whodid.viewer.shapes.proofs import Checkpoint, Consistency, Hashes, Proof, Proofs

__all__ = [
    "Bars",
    "CatalogView",
    "Checkpoint",
    "Consistency",
    "Count",
    "EntryView",
    "FacetValues",
    "Hashes",
    "Page",
    "Proof",
    "Proofs",
    "RetentionView",
    "Row",
    "StandingOut",
    "Suggestions",
]
