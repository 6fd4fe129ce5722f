"""Sinks over HTTP: their `/v1` routes, what these take and answer (`bodies`), and how they are described."""

from whodid.server.sinks.routes import SinkRoutes

__all__ = ["SinkRoutes"]
