"""The story of Casa Lumen: eleven people and about ninety-five days of work, told through the services.

Nothing here writes an entry by hand. The story has a clock of its own; whoever acts does so through the same functions
as the pages, and the log takes it at the story's time.
"""
