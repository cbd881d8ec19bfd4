"""What the admin asks before it starts import jobs, checked."""

from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from history.timestamps import to_us
from importer.exceptions import ImporterError
from importer.hours import parse_range
from importer.instruments import select_instruments
from importer.job_options import JobOptions
from importer.jobs import JobTerms, queue_import
from importer.models import ImportJob, JobKind
from importer.sources.registry import open_source


class _DateInput(UnfoldAdminTextInputWidget):
    input_type = "date"


class StartForm(forms.Form):
    """Symbols, days and a source; `queue` makes a job of each symbol."""

    symbols = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        help_text="In any spelling, with commas between: EURUSD, GBP/USD",
    )
    kind = forms.ChoiceField(choices=JobKind.choices, widget=UnfoldAdminSelectWidget)
    first = forms.DateField(
        label="First day", help_text="UTC: 2019-02-04", widget=_DateInput
    )
    last = forms.DateField(
        label="Last day", help_text="UTC, included", widget=_DateInput
    )
    source = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="As --source of import_ticks, superusers only; "
        "empty: DUKASCOPY_SOURCE",
    )
    force = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        label="Every hour",
        help_text="Read hours again that are stored; same content changes nothing",
    )

    def __init__(self, data: Any, *, user: Any) -> None:
        super().__init__(data)
        self._user = user

    def clean_source(self) -> str:
        """Return the source; errors cite what files of the server have in them.

        Raises:
            ValidationError: it is not the setting's, and the user no superuser.
        """
        source = str(self.cleaned_data["source"])
        is_another = source not in ("", settings.DUKASCOPY_SOURCE)
        if is_another and not self._user.is_superuser:
            raise forms.ValidationError("Superusers alone name another source.")
        return source

    def clean(self) -> dict[str, Any]:
        """Return the values with instruments, hours and the source's full text.

        Raises:
            ValidationError: in the words of the importer.
        """
        values = super().clean() or {}
        for field, parse in (
            ("symbols", _instruments),
            ("last", _hours),
            ("source", _source),
        ):
            try:
                values |= parse(values)
            except KeyError:
                pass  # another field that it needs is wrong, and says so
            except ImporterError as exc:
                self.add_error(field, str(exc))
        return values

    def queue(self, requested_by: str) -> list[ImportJob]:
        """Queue the jobs of a valid form, and return them."""
        values = self.cleaned_data
        is_repair = values["kind"] == JobKind.REPAIR
        return queue_import(
            values["instruments"],
            values["hours"],
            JobTerms(
                values["spec"],
                JobOptions(
                    force=values["force"] and not is_repair,
                    all=values["force"] and is_repair,
                ),
                requested_by,
                values["kind"],
            ),
        )


class MissingForm(StartForm):
    """An import of what is missing of a range, also what was asked for in vain."""

    kind = None
    force = None

    def queue(self, requested_by: str) -> list[ImportJob]:
        """Queue the jobs of a valid form, and return them."""
        values = self.cleaned_data
        options = JobOptions(fill_gaps=True)
        return queue_import(
            values["instruments"],
            values["hours"],
            JobTerms(values["spec"], options, requested_by),
        )


def _instruments(values: dict[str, Any]) -> dict[str, Any]:
    texts = [text.strip() for text in values["symbols"].split(",") if text.strip()]
    return {"instruments": select_instruments(texts)}


def _hours(values: dict[str, Any]) -> dict[str, Any]:
    first: date = values["first"]
    last: date = values["last"]
    now_us = to_us(timezone.now())
    return {"hours": parse_range(str(first), str(last), now_us=now_us)}


def _source(values: dict[str, Any]) -> dict[str, Any]:
    return {"spec": open_source(values["source"] or settings.DUKASCOPY_SOURCE).spec}
