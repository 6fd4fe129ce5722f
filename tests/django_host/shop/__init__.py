"""A small shop, as an application might be that knows nothing of an audit log."""
