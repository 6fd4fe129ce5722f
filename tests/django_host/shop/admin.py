"""The administration of the shop."""

from __future__ import annotations

from django.contrib import admin

from tests.django_host.shop.models import Customer, Order, OrderLine, Product, Tag


class TagInline(admin.TabularInline):
    """The tags of a customer, as rows."""

    model = Customer.tags.through
    extra = 1


class LineInline(admin.TabularInline):
    """The lines of an order."""

    model = OrderLine
    extra = 1


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    """Customers with their tags."""

    fields = ("name", "email", "city")
    inlines = (TagInline,)


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """Orders with their lines."""

    inlines = (LineInline,)


admin.site.register([Tag, Product])
