"""The shop's own tests; they know nothing of an audit log."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import TestCase, TransactionTestCase

from tests.django_host.shop.models import Customer, Order, OrderLine, Product, Tag


class CustomerTests(TestCase):
    """Customers."""

    @classmethod
    def setUpTestData(cls) -> None:
        """Make somebody."""
        cls.one = Customer.objects.create(name="A", email="a@example.com")

    def test_take_in(self) -> None:
        """A customer comes with an order and tags."""
        answer = self.client.post("/customers/", {"name": "B", "email": "b@example.com", "tag": ["x", "y"]})
        made = Customer.objects.get(pk=answer.json()["id"])
        assert sorted(made.tags.values_list("name", flat=True)) == ["x", "y"]
        assert OrderLine.objects.filter(order__customer=made).count() == 2

    def test_change(self) -> None:
        """Fields are changed, and tags are set."""
        self.client.post(f"/customers/{self.one.pk}/", {"city": "Oslo", "balance": "1.50", "tag": ["x"]})
        self.one.refresh_from_db()
        assert (self.one.city, str(self.one.balance)) == ("Oslo", "1.50")

    def test_remove(self) -> None:
        """With a customer his orders go."""
        Order.objects.create(customer=self.one)
        self.client.post(f"/customers/{self.one.pk}/gone/")
        assert Order.objects.count() == 0

    def test_number_of_queries(self) -> None:
        """Reading takes as many queries as it did."""
        with self.assertNumQueries(1):
            list(Customer.objects.all())

    def test_a_constraint(self) -> None:
        """Two customers cannot share an address."""
        with self.assertRaises(IntegrityError), transaction.atomic():  # noqa: PT027 - Django's runner
            Customer.objects.create(name="B", email="a@example.com")
        assert Customer.objects.count() == 1

    def test_hooks_after_the_commit(self) -> None:
        """The application's own are run, and there are no others."""
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            Customer.objects.create(name="B", email="b@example.com")
        assert callbacks == []

    async def test_asynchronous(self) -> None:
        """The asynchronous page works."""
        answer = await self.async_client.get("/async/x/")
        assert answer.status_code == 200
        assert await Tag.objects.filter(name="x!").acount() == 1


class AdminTests(TransactionTestCase):
    """The administration."""

    def test_an_order_with_lines(self) -> None:
        """An order is made with its lines."""
        boss = User.objects.create_superuser("boss", password="x")
        self.client.force_login(boss)
        one = Customer.objects.create(name="A", email="a@example.com")
        pen = Product.objects.create(name="pen")
        self.client.post(
            "/admin/shop/order/add/",
            {
                "customer": one.pk,
                "status": "new",
                "lines-TOTAL_FORMS": 1,
                "lines-INITIAL_FORMS": 0,
                "lines-0-product": pen.pk,
                "lines-0-quantity": 3,
            },
        )
        assert OrderLine.objects.get().quantity == 3
