"""One table, nine columns, watched by whichever package is measured."""
