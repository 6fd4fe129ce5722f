"""What several rooms need of files.

Parquet (`parquet`), what takes in a file that is handed on (`handed`), files with a secret (`private`), and names that
are on the disk (`folders`). The first two are pure renderers: entries in, bytes out. What makes finite files is
`whodid.export`, what feeds buckets is `whodid.sinks`.
"""
