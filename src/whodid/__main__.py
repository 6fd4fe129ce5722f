"""`python -m whodid`: the command line."""

from whodid.cli import main

if __name__ == "__main__":
    main()
