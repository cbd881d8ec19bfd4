"""`manage.py doctor`: looks at the whole set-up, and says how to mend what is wrong."""

import logging
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import CommandError

from config.checkup.findings import Finding, Verdict
from config.checkup.services import check_all
from marketdata.commands import UsageCommand

_MARKS = {Verdict.GOOD: "ok     ", Verdict.POOR: "WARNING", Verdict.BAD: "ERROR  "}


class Command(UsageCommand):
    """Looks and changes nothing."""

    help = (
        "Check services, versions, migrations, Redis, feeds, workers, clock and disk."
    )
    epilog = """\
Says of each what was found and, where it is wrong, how to mend it. Nothing is changed.
Exit codes: 0 all is well or works with warnings, 1 errors were found, 64 wrong usage,
130 stopped with Ctrl-C.

examples:
  manage.py doctor
  manage.py doctor --json
"""
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument(
            "--json", action="store_true", help="Print the findings as JSON."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check all, print as it goes, and exit as the epilog of the help says."""
        logging.disable()  # what fails is told here
        findings = []
        for finding in check_all():
            findings.append(finding)
            if not options["json"]:
                self._print(finding)
        if options["json"]:
            self.stdout.write(msgspec.json.encode(findings).decode())
        bad = sum(item.verdict is Verdict.BAD for item in findings)
        if bad:
            raise CommandError(f"{bad} {'error' if bad == 1 else 'errors'}")

    def _print(self, finding: Finding) -> None:
        style = {
            Verdict.GOOD: self.style.SUCCESS,
            Verdict.POOR: self.style.WARNING,
            Verdict.BAD: self.style.ERROR,
        }[finding.verdict]
        mark = style(_MARKS[finding.verdict])
        self.stdout.write(f"{mark} {finding.check}: {finding.found}")
        if finding.cure:
            self.stdout.write(f"        -> {finding.cure}")
        self.stdout.flush()
