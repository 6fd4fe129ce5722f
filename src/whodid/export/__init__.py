"""Finite files of entries: exports in three formats, their offline verification, and the import of foreign files.

What lives here: renderers (`csv`, `ndjson`, `parquet`), carrying an export out and recording it (`run`), verifying an
exported file (`verify`, which needs no log) and reading other products' files (`import_`). What does not: destinations
that are fed continuously, and anything that knows of HTTP or of a terminal.
"""

from whodid.export.run import FORMATS, Exported, Format, export, pieces
from whodid.export.verify import Report, verify_export

__all__ = ["FORMATS", "Exported", "Format", "Report", "export", "pieces", "verify_export"]
