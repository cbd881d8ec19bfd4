"""The admin's pages of other packages' models, in the admin's own look."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.urls import URLPattern, path
from django_celery_beat.admin import ClockedScheduleAdmin as BeatClockedScheduleAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as BeatCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as BeatPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from brokers.feeds_page import feeds_page
from marketdata.connections_page import connections_page

for _model in (
    *(Group, User, ClockedSchedule, CrontabSchedule),
    *(IntervalSchedule, PeriodicTask, SolarSchedule),
):
    admin.site.unregister(_model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


class _TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    pass


class _TaskForm(PeriodicTaskForm):
    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = _TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BeatPeriodicTaskAdmin, ModelAdmin):
    form = _TaskForm


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(BeatCrontabScheduleAdmin, ModelAdmin):
    pass


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(BeatClockedScheduleAdmin, ModelAdmin):
    pass


admin.site.register([IntervalSchedule, SolarSchedule], ModelAdmin)


def _pages() -> list[URLPattern]:
    """Return the pages that belong to no model."""
    view = admin.site.admin_view
    return [
        path("feeds/", view(feeds_page), name="feeds"),
        path("connections/", view(connections_page), name="connections"),
    ]


admin.site.extra_urls = _pages  # the package's own hook
admin.site.index_title = "Dashboard"
