"""What the shop keeps."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now, Upper


class Tag(models.Model):
    """A word that customers are sorted by."""

    name = models.CharField(max_length=50, unique=True)

    def __str__(self) -> str:
        return str(self.name)


class Customer(models.Model):
    """Somebody who buys."""

    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True)
    city = models.CharField(max_length=50, default="")
    balance = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    visits = models.IntegerField(default=0)
    active = models.BooleanField(default=True)
    seen_at = models.DateTimeField(null=True)
    settings = models.JSONField(default=dict)
    api_token = models.CharField(max_length=100, default="")
    deleted_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)
    tags = models.ManyToManyField(Tag, related_name="customers")
    friends = models.ManyToManyField("self")

    def __str__(self) -> str:
        return str(self.name)


class Product(models.Model):
    """Something to buy."""

    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=1)
    loud = models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=100), db_persist=True
    )
    listed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.name)


class Order(models.Model):
    """What somebody bought."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    status = models.CharField(max_length=20, default="new")
    products = models.ManyToManyField(Product, through="OrderLine")

    def __str__(self) -> str:
        return str(self.status)


class OrderLine(models.Model):
    """A product of an order."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.IntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.quantity} times"


class Comment(models.Model):
    """What was said about a customer; it outlives him."""

    customer = models.ForeignKey(Customer, models.SET_NULL, null=True, related_name="comments")
    text = models.TextField()

    def __str__(self) -> str:
        return str(self.text)


class Attachment(models.Model):
    """A file of a customer: nothing refers to it, so that Django deletes it without loading it."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="attachments")
    title = models.CharField(max_length=100)
    body = models.BinaryField(default=b"")

    def __str__(self) -> str:
        raise RuntimeError("nobody may ask what it is called")


class Place(models.Model):
    """A place, in a table of its own."""

    name = models.CharField(max_length=50)
    street = models.CharField(max_length=50, default="")

    def __str__(self) -> str:
        return str(self.name)


class Restaurant(Place):
    """A place with a table of its own beside that of the place."""

    stars = models.IntegerField(default=0)


class Regular(Customer):
    """The same rows under another name."""

    class Meta:
        proxy = True
