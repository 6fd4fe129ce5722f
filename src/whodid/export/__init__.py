"""Finite files of entries: exports in three formats, their offline verification, and the import of foreign files.

What lives here: renderers (`csv`, `ndjson`, and `bundle` for several files in an archive; Parquet is in `files`), what
is made of entries (`layout`), carrying an export out and recording it (`run`), verifying an exported file (`verify`,
which needs no log), exports in the background with their files on the disk (`jobs`, `worker`) and reading other
products' files (`import_`). What does not: destinations that are fed continuously, and anything that knows of HTTP or
of a terminal.
"""

from whodid.export.jobs import Job, JobFolder, default_folder, forget_exports
from whodid.export.layout import FORMATS, SAMPLE, Format, Layout, Split, estimate, estimate_proven, stem_of
from whodid.export.run import Exported, export, pieces
from whodid.export.verify import Report, verify_export
from whodid.export.worker import ExportWorker

__all__ = [
    "FORMATS",
    "SAMPLE",
    "ExportWorker",
    "Exported",
    "Format",
    "Job",
    "JobFolder",
    "Layout",
    "Report",
    "Split",
    "default_folder",
    "estimate",
    "estimate_proven",
    "export",
    "forget_exports",
    "pieces",
    "stem_of",
    "verify_export",
]
