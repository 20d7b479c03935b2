"""`knopka check`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from knopka.cli.output import json_option, plain, print_json
from knopka.cli.questions import Finding, look_around

MARKS = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "fault": ("FIX ", "bold red")}


@click.command()
@json_option
def check(as_json: bool) -> None:
    """Look for what is wrong with this installation, and say how to mend it.

    Exits with 1 when something must be mended; warnings alone do not.
    """
    findings = list(look_around())
    is_fit = all(finding.state != "fault" for finding in findings)
    if as_json:
        print_json({"ok": is_fit, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    sys.exit(0 if is_fit else 1)


def _print(findings: list[Finding]) -> None:
    console = Console(soft_wrap=True)
    for finding in findings:
        mark, style = MARKS[finding.state]
        console.print(Text.assemble((mark, style), plain(f"  {finding.name}: {finding.message}")))
        if finding.fix:
            console.print(Text(plain(f"      → {finding.fix}")))
    faults = sum(finding.state == "fault" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    console.print(Text(f"{faults} to mend, {warnings} to think about."))
