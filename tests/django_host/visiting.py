"""Two hundred requests to the shop, compared with what the database saw; run with the settings of `watched`."""

from __future__ import annotations

import asyncio
import sys

import django


def main() -> None:
    """Visit the shop twice, then take the hook away."""
    django.setup()
    django.setup()  # an application that is built twice must not be told twice
    from django.apps import apps
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connections, transaction
    from django.db.models import Model, QuerySet
    from django.db.models.deletion import Collector
    from django.test import AsyncClient, Client

    from tests import djangoing

    call_command("migrate", run_syncdb=True, verbosity=0)
    djangoing._oracle("default")
    user = User.objects.create_user("maria", first_name="Maria")
    djangoing.forgotten("default")
    client = Client(headers={"X-Request-Id": "from-the-gateway"})
    client.force_login(user)
    ids: list[int] = []
    for number in range(50):
        tags = [f"t{number % 5}", f"t{number % 3}"]
        answer = client.post("/customers/", {"name": f"n{number}", "email": f"{number}@example.com", "tag": tags})
        ids.append(answer.json()["id"])
    for number, pk in enumerate(ids):
        client.post(f"/customers/{pk}/", {"city": f"c{number % 7}", "balance": f"{number}.50", "tag": ["t0"]})
    for number in range(20):
        client.post(f"/all/c{number % 4}/")
    for number in range(40):
        made = AsyncClient()
        made.cookies = client.cookies
        asyncio.run(made.get(f"/async/a{number}/", headers={"X-Request-Id": "from-the-gateway"}))
    for pk in ids[:40]:
        client.post(f"/customers/{pk}/gone/")
    djangoing.oracle_agrees(
        "default",
        without={"tags", "friends", "products"},
        only={"shop_customer", "shop_tag", "shop_order", "shop_orderline", "shop_product"},
    )
    said = djangoing.events("default")
    assert len(said) > 1000, len(said)
    assert {event.actor.name for event in said} == {"Maria"}
    assert {event.context and event.context.request for event in said} == {"from-the-gateway"}
    assert len({event.id for event in said}) == len(said)

    call_command("whodid_relay", "--once", verbosity=0, stdout=sys.stderr)
    home = apps.get_app_config("whodid").home
    assert home.log().head("shop").size >= len(said)
    assert djangoing.events("default") == []

    hook = apps.get_app_config("whodid").hook
    hook.install()  # a second time changes nothing
    hook.remove()
    hook.remove()
    for kind in (Model, QuerySet, Collector, transaction.Atomic, type(connections["default"]).__mro__[1]):
        for name, value in vars(kind).items():
            function = getattr(value, "__func__", value)
            module = getattr(getattr(function, "__code__", None), "co_filename", "")
            assert "whodid" not in module, f"{kind.__name__}.{name}"
    assert not [one for one in connections["default"].execute_wrappers if "whodid" in str(type(one.__self__))]
    User.objects.create_user("silent")
    with transaction.atomic():
        User.objects.update(first_name="silent")
    assert djangoing.events("default") == []
    sys.stdout.write(f"{len(said)}\n")


main()
