"""Where the shop answers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.django_host import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("tags/<str:name>/", views.tags),
    path("atags/<str:name>/", views.async_tags),
    path("refused/", views.refused),
    path("broken/", views.broken),
    path("late/", views.late),
]
