"""Where the shop answers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.django_host.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("customers/", views.create),
    path("customers/<int:pk>/", views.change),
    path("customers/<int:pk>/gone/", views.remove),
    path("all/<str:city>/", views.move),
    path("async/<str:name>/", views.tag),
]
