"""How the shop answers."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from tests.django_host.shop.models import Customer, Order, OrderLine, Product, Tag


def create(request: HttpRequest) -> HttpResponse:
    """Take in a customer with a first order."""
    with transaction.atomic():
        one = Customer.objects.create(name=request.POST["name"], email=request.POST["email"])
        one.tags.add(*[Tag.objects.get_or_create(name=name)[0] for name in request.POST.getlist("tag")])
        product, _ = Product.objects.get_or_create(name="pen")
        order = Order.objects.create(customer=one)
        OrderLine.objects.bulk_create([OrderLine(order=order, product=product, quantity=number) for number in (1, 2)])
    return JsonResponse({"id": one.pk})


def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a customer."""
    one = Customer.objects.get(pk=pk)
    for name in ("name", "city", "balance"):
        if name in request.POST:
            setattr(one, name, request.POST[name])
    one.save()
    if "tag" in request.POST:
        one.tags.set([Tag.objects.get_or_create(name=name)[0] for name in request.POST.getlist("tag")])
    return JsonResponse({"id": pk})


def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a customer."""
    Customer.objects.filter(pk=pk).delete()
    return HttpResponse(status=204)


def move(request: HttpRequest, city: str) -> HttpResponse:
    """Let everybody live in a city."""
    return JsonResponse({"moved": Customer.objects.exclude(city=city).update(city=city)})


async def tag(request: HttpRequest, name: str) -> HttpResponse:
    """Make a tag in asynchronous code."""
    made, _ = await Tag.objects.aget_or_create(name=name)
    made.name = f"{name}!"
    await made.asave()
    return JsonResponse({"id": made.pk})
