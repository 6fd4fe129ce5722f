"""Events from elsewhere: files of other products, and our own exports, read into a log.

`read` turns a file into records, one mapper per product turns a record into an event, and `run` records them and
accounts for every line. Adding a product is one mapper and one line in `run.MAPPERS`.
"""

from whodid.export.import_.run import MAPPERS, Fault, Imported, import_file

__all__ = ["MAPPERS", "Fault", "Imported", "import_file"]
