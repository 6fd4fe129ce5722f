"""`python -m whodid`: the command line."""

from whodid.cli import main

main()
