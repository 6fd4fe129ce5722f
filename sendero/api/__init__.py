"""The API for other programs, under `/api/v1`: JSON in, JSON out, a key in the header `X-API-Key`.

What can be done lives in `sendero.service`, as for the pages; here are its addresses, its limits and its forms in JSON.
A further address is a `Route` in the `ROUTES` of its file, listed in `door`.
"""

from sendero.api.door import ROUTES, routes

__all__ = ["ROUTES", "routes"]
