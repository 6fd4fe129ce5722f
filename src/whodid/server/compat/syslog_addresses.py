"""Where to listen for syslog, and whom to believe there: read from one line, refused where it would be an open door."""

from __future__ import annotations

import re
import socket
import ssl
from ipaddress import ip_address
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from whodid.errors import InvalidSetting

__all__ = ["SyslogAddress", "read_address"]

Scheme = Literal["tcp", "tls", "udp"]

_SCHEMES: tuple[Scheme, ...] = ("tcp", "tls", "udp")
_OPTIONS = ("cert", "cert_key", "client_ca", "workspace", "exposed")
_WORKSPACE = re.compile(r"[A-Za-z0-9_.:\-]{1,100}")
_KIND = {"tcp": socket.SOCK_STREAM, "tls": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class SyslogAddress(Struct, frozen=True, kw_only=True):
    """One address.

    Args:
        port: 0 takes a free one.
        cert, cert_key: Files with the certificate of the server and its key, for TLS.
        client_ca: File with the certificates that senders' certificates must come from.
        workspace: Where all messages go; without it, every message shows a key.
    """

    scheme: Scheme
    host: str
    port: int
    cert: str | None = None
    cert_key: str | None = None
    client_ca: str | None = None
    workspace: str | None = None

    def context(self) -> ssl.SSLContext | None:
        """Return what TLS needs, None for the others.

        Raises:
            InvalidSetting: A file cannot be used.
        """
        if self.cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.cert, self.cert_key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise InvalidSetting(
                f"The certificates for syslog cannot be used: {error}", "Check cert, cert_key and client_ca"
            ) from None
        return context

    def listen(self, backlog: int) -> socket.socket:
        """Return a socket that is bound, and listens where the transport has connections.

        Raises:
            InvalidSetting: The address cannot be used.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self.host, self.port, type=_KIND[self.scheme], flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, protocol)
        except OSError as error:
            raise _unusable(f"{self.host} is no address to listen on: {error.strerror}") from None
        try:
            if kind == socket.SOCK_STREAM:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            if kind == socket.SOCK_STREAM:
                listener.listen(backlog)
        except OSError as error:
            listener.close()
            raise _unusable(f"Port {self.port} of {self.host} cannot be used: {error.strerror}") from None
        return listener


def read_address(text: str) -> SyslogAddress:
    """Read an address such as `tcp://127.0.0.1:5514` or `tls://0.0.0.0:6514?cert=server.pem&cert_key=server.key`.

    Raises:
        InvalidSetting: It cannot be read, an option is not known, or anybody could write there.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _unusable(f"The syslog address {text} cannot be read") from None
    scheme = next((one for one in _SCHEMES if one == parts.scheme), None)
    if scheme is None or not parts.hostname or port is None or parts.path.strip("/") or parts.username is not None:
        raise _unusable(f"The syslog address {text} cannot be read")
    given = dict(options)
    if len(given) < len(options) or not set(given) <= set(_OPTIONS):
        raise InvalidSetting(f"The syslog address {text} has options that are not known", f"Use {', '.join(_OPTIONS)}")
    exposed = given.pop("exposed", "no") == "yes"
    address = SyslogAddress(
        scheme=scheme,
        host=parts.hostname,
        port=port,
        cert=given.get("cert") or None,
        cert_key=given.get("cert_key") or None,
        client_ca=given.get("client_ca") or None,
        workspace=given.get("workspace") or None,
    )
    _check(address, exposed=exposed)
    return address


def _check(address: SyslogAddress, *, exposed: bool) -> None:
    if address.scheme == "tls" and address.cert is None:
        raise InvalidSetting("TLS needs a certificate", "Name its file with cert=, and its key with cert_key=")
    if address.scheme != "tls" and (address.cert or address.cert_key or address.client_ca):
        raise InvalidSetting(f"Certificates mean nothing to {address.scheme}", "Use tls://")
    if address.workspace is not None:
        if not _WORKSPACE.fullmatch(address.workspace):
            raise InvalidSetting("The workspace of a syslog address is no name", "Use letters, digits, _ . : -")
        if address.client_ca is None:
            raise InvalidSetting(
                f"Anybody could write to the workspace {address.workspace} by syslog",
                "Name client_ca= so that senders show a certificate; without workspace= messages show a key",
            )
    if address.scheme != "tls" and not exposed and not _is_loopback(address.host):
        raise InvalidSetting(
            f"Keys would travel in the clear to {address.scheme}://{address.host}",
            "Use tls://, listen on 127.0.0.1, or add exposed=yes where the network itself is trusted",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unusable(fact: str) -> InvalidSetting:
    return InvalidSetting(fact, "Write tcp://HOST:PORT, tls://HOST:PORT?cert=…&cert_key=… or udp://HOST:PORT")
