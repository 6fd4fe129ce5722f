"""The pages of the workspace: plain forms and links, rendered on the server."""
