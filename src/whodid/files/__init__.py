"""Forms of files that several wings write: Parquet (`parquet`), and what takes in a file that is handed on (`handed`).

Pure renderers: entries in, bytes out. What makes finite files is `whodid.export`, what feeds buckets is `whodid.sinks`.
"""
