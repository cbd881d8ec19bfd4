"""The page at `/coverage`, and the jobs that staff start, watch and stop from it.

Who may do what is Django's: the permissions to view, add and change import jobs, and
the mark of staff. The map itself comes from REST, for everybody whom that answers.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render

from history.api_errors import error_response, json_response, validation_details
from history.codes import RestCode
from importer import jobs
from importer.job_bodies import job_body
from importer.job_form import MissingForm
from importer.models import ImportJob

VIEW, ADD, CHANGE = (f"importer.{verb}_importjob" for verb in ("view", "add", "change"))
MAX_JOBS = 20
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

View = Callable[..., HttpResponse]


def coverage_page(request: HttpRequest) -> HttpResponse:
    """Show the map, and to staff what they may do."""
    context = {
        "sees_jobs": _may(request, VIEW),
        "starts_jobs": _may(request, VIEW) and _may(request, ADD),
        "changes_jobs": _may(request, VIEW) and _may(request, CHANGE),
        "names_source": request.user.is_superuser,
        "default_source": settings.DUKASCOPY_SOURCE,
    }
    if context["sees_jobs"]:
        context["token"] = get_token(request)
    response = render(request, "coverage.html", context)
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response["Cache-Control"] = "private, no-cache"
    return response


def staff_only(**permissions: str) -> Callable[[View], View]:
    """Answer the named methods, each to staff with its permission; others by errors."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, **path: Any) -> HttpResponse:
            if request.method not in permissions:
                response = error_response(RestCode.METHOD_NOT_ALLOWED)
                response["Allow"] = ", ".join(permissions)
            elif not _may(request, permissions[request.method]):
                raise PermissionDenied
            else:
                response = view(request, **path)
            response["Cache-Control"] = "no-store"
            return response

        return checked

    return decorate


@staff_only(GET=VIEW, POST=ADD)
def import_jobs(request: HttpRequest) -> HttpResponse:
    """Return the newest jobs of a symbol; POST queues an import of what is missing."""
    if request.method == "GET":
        rows = ImportJob.objects.filter(symbol=request.GET.get("symbol", ""))
        return json_response({"jobs": [job_body(row) for row in rows[:MAX_JOBS]]})
    form = MissingForm(request.POST, user=request.user)
    if not form.is_valid():
        details = validation_details(form.errors)
        return error_response(RestCode.VALIDATION_ERROR, details=details)
    queued = form.queue(request.user.get_username())
    return json_response({"jobs": [job_body(row) for row in queued]}, 201)


@staff_only(POST=CHANGE)
def change_job(request: HttpRequest, job_id: int, verb: str) -> HttpResponse:
    """Stop a job, or queue one again that has ended, and return it."""
    act = jobs.request_stop if verb == "stop" else jobs.retry
    act([job_id])
    row = ImportJob.objects.filter(pk=job_id).first()
    if row is None:
        raise Http404
    return json_response({"jobs": [job_body(row)]})


def _may(request: HttpRequest, permission: str) -> bool:
    user = request.user
    return user.is_active and user.is_staff and user.has_perm(permission)
