"""What can be done in the workspace: one file per noun, each act recorded in the transaction that does it."""
