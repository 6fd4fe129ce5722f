"""A real OpenID provider for the tests: django-oauth-toolkit behind the server of the standard library.

Run as a program: `python oidc_server.py FOLDER PORT`. Besides what a provider has it answers `/register`, where a test
tells it the address to send browsers back to.
"""

from __future__ import annotations

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "sendero-in-a-browser", "the-secret-of-the-client-in-a-browser"
PEOPLE = {"nadia": "nadia@lumen.example", "stranger": "stranger@elsewhere.example"}
PASSWORD = "at-the-provider-only"
FORM = """<!doctype html><title>Provider</title><main><h1>Provider</h1><form method="post"><label>User
<input name="username"></label><label>Secret <input name="password" type="password"></label><button>Let me in</button>
</form></main>"""


def configure(folder: Path, address: str) -> None:
    """Set Django up in a folder of its own."""
    import django
    from django.conf import settings

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings.configure(
        SECRET_KEY="only for the tests of single sign-on",
        ALLOWED_HOSTS=["127.0.0.1"],
        DEBUG=False,
        USE_TZ=True,
        ROOT_URLCONF=__name__,
        LOGIN_URL="/login",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "provider.db")}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"{address}/o",
            "OIDC_RSA_PRIVATE_KEY": pem.decode(),
            "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "Who you are", "email": "Your address", "profile": "Your name"},
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Validator",
        },
    )
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for name, email in PEOPLE.items():
        get_user_model().objects.create_user(name, email, PASSWORD, first_name=name.title(), last_name="Haddad")


def login_page(request: Any) -> Any:
    """Let somebody in at the provider."""
    from django.contrib.auth import authenticate, login
    from django.http import HttpResponse, HttpResponseRedirect

    if request.method == "POST":
        user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
        if user is not None:
            login(request, user)
            return HttpResponseRedirect(request.GET["next"])
    return HttpResponse(FORM)


def register(request: Any) -> Any:
    """Take the address to send browsers back to."""
    from django.http import HttpResponse
    from oauth2_provider.models import get_application_model

    get_application_model().objects.update_or_create(
        client_id=CLIENT,
        defaults={
            "client_secret": SECRET,
            "name": "Sendero",
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": request.GET["redirect_uri"],
            "algorithm": "RS256",
            "skip_authorization": True,
        },
    )
    return HttpResponse("registered")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def main() -> None:
    """Serve until the process ends."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    configure(folder, f"http://127.0.0.1:{port}")
    # What follows can be imported only after Django was set up.
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):  # type: ignore[misc] # it has no types
        oidc_claim_scope = None

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            return {"email": request.user.email, "email_verified": True, "name": request.user.get_full_name()}

    here = sys.modules[__name__]
    here.Validator = Validator  # type: ignore[attr-defined]
    here.urlpatterns = [  # type: ignore[attr-defined]
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("login", login_page),
        path("register", register),
    ]
    with make_server("127.0.0.1", port, get_wsgi_application(), _Server, _Quiet) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
