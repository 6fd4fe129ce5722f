"""Files that several rooms write: Parquet (`parquet`), one that is handed on (`handed`), one with a secret (`private`).

The first two are pure renderers: entries in, bytes out. What makes finite files is `whodid.export`, what feeds buckets
is `whodid.sinks`.
"""
