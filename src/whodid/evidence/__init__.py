"""Evidence: one file that answers a question about a log and proves itself offline.

What lives here: the document (`document`), how it is made from a log (`build`), checked without one (`verify`,
`verdict`), and the page that carries it (`page`). The checking part depends on `whodid.proof` and `whodid.canonical`
only. What does not live here: whole files of entries without a page (`whodid.export`).
"""
