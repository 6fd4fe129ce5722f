"""Finite files of entries: exports in three formats, their offline verification, and the import of foreign files.

What lives here: renderers (`csv`, `ndjson`, `parquet`), carrying an export out and recording it (`run`), verifying an
exported file (`verify`, which needs no log), exports in the background with their files on the disk (`jobs`, `worker`)
and reading other products' files (`import_`). What does not: destinations
that are fed continuously, and anything that knows of HTTP or of a terminal.
"""

from whodid.export.jobs import Job, JobFolder, default_folder, forget_exports
from whodid.export.run import FORMATS, Exported, Format, export, pieces
from whodid.export.verify import Report, verify_export
from whodid.export.worker import ExportWorker

__all__ = [
    "FORMATS",
    "ExportWorker",
    "Exported",
    "Format",
    "Job",
    "JobFolder",
    "Report",
    "default_folder",
    "export",
    "forget_exports",
    "pieces",
    "verify_export",
]
