"""Who acts and from where, for web applications: one scope around each request.

Plain ASGI and WSGI: FastAPI, Starlette, Flask and every other framework take them. Django has its own
(`whodid.capture.django`).
"""

from whodid.capture.middleware.addresses import Client, Proxies, parse_address
from whodid.capture.middleware.asgi import ASGIMiddleware
from whodid.capture.middleware.wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "Client", "Proxies", "WSGIMiddleware", "parse_address"]
