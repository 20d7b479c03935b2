"""`make bench`: measures everything in one run, prints the table and keeps it in docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil

from bench.bot import measure_bot
from bench.bots import measure_bots
from bench.fanout import measure_fanout
from bench.grown import measure_grown
from bench.messengers import measure_messengers
from bench.meta_calls import measure_meta_calls
from bench.rows import Row
from bench.screen import measure_screen
from bench.start import measure_start
from bench.widget import measure_widget

SECTIONS: dict[str, Callable[[], Iterator[Row]]] = {
    "ab": measure_meta_calls,
    "c": measure_fanout,
    "d": measure_widget,
    "e": measure_screen,
    "f": measure_start,
    "g": measure_grown,
    "h": measure_messengers,
    "i": measure_bot,
    "j": measure_bots,
}
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
SYNCS = 100
INTRODUCTION = """\
# Performance

What `make bench` measured last. Ratios are of two servers driven in turn in one run, so they hold on other
machines; absolute figures stand beside them for information. The load and the server share the machine.

"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", choices=[[], *SECTIONS], help="only these; nothing is kept then"
    )
    chosen = parser.parse_args().sections or list(SECTIONS)
    machine = describe_machine()
    rows: list[Row] = []
    for name in chosen:
        for row in SECTIONS[name]():
            rows.append(row)
            print(as_line(row), flush=True)
    if len(chosen) == len(SECTIONS):
        PAGE.write_text(INTRODUCTION + machine + as_table(rows), encoding="utf-8")
        print(f"Kept in {PAGE.relative_to(PAGE.parent.parent)}")
    missed = [row for row in rows if not row.is_met]
    for row in missed:
        print(f"Missed: {row.what}: {row.value_text}, wanted {row.bound_text}", file=sys.stderr)
    return 1 if missed else 0


def as_line(row: Row) -> str:
    mark = "" if row.bound is None else f" (wanted {row.bound_text}: {'met' if row.is_met else 'MISSED'})"
    return f"({row.section}) {row.what}: {row.value_text}{mark}  {row.detail}"


def as_table(rows: list[Row]) -> str:
    lines = ["|   | What | Measured | Wanted | Met | In figures |", "|---|---|---|---|---|---|"]
    for row in rows:
        met = "" if row.bound is None else "yes" if row.is_met else "**no**"
        cells = (f"({row.section})", row.what, row.value_text, row.bound_text, met, row.detail)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def describe_machine() -> str:
    took = median(sync_times())
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"Machine: {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {took * 1000:.1f} ms for a write to reach the disk; "
        f"{datetime.now(UTC):%Y-%m-%d}. Load by others when the run began: {os.getloadavg()[0]:.1f}.\n\n"
    )


def sync_times() -> Iterator[float]:
    """Seconds for a small write to reach the disk: what each commit waits for."""
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(b"x" * 8192)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            yield time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
