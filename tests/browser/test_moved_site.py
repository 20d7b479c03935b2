"""A site moves from amoCRM: snippet and fields are imported, and only the script's host is changed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site

OLD_HOST = "https://gso.amocrm.ru"
BUTTON, HASH = "412345", "5f" * 32
VISIT_FIELD = 645931
SNIPPET = f"""
(function(a,m,o,c,r,m){{
  a[m]={{id:"{BUTTON}",hash:"{HASH}",locale:"ru",inline:false,
    setMeta:function(p){{this.params=(this.params||[]).concat([p])}}}};
  a[o]=a[o]||function(){{(a[o].q=a[o].q||[]).push(arguments)}};
  var d=a.document,s=d.createElement('script');s.async=true;s.id=m+'_script';
  s.src='{OLD_HOST}/js/button.js?1700000000';d.head&&d.head.appendChild(s)
}}(window,0,'amoSocialButton',0,0,'amo_social_button'));
"""
FIELDS = {
    "_page": 1,
    "_embedded": {
        "custom_fields": [
            {
                "id": VISIT_FIELD,
                "name": "roistat",
                "type": "text",
                "entity_type": "leads",
                "code": None,
                "sort": 510,
                "enums": None,
            }
        ]
    },
}
"""What amoCRM answers to GET /api/v4/leads/custom_fields."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Installation:
    """knopka as whoever runs it installs it, by the command line alone."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "KNOPKA_DATA_DIR": str(folder),
            "KNOPKA_BASE_URL": self.url,
            "KNOPKA_PORT": str(self.port),
        }

    def run(self, *arguments: str, stdin: str = "") -> Any:
        command = [sys.executable, "-m", "knopka", *arguments, "--json"]
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def installation(tmp_path: Path, site: Site) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    made.run("migrate")
    made.run("button", "import", "--origin", site.url, stdin=SNIPPET)
    made.run("field", "import", stdin=json.dumps(FIELDS))
    command = [sys.executable, "-m", "knopka", "serve", "--json"]
    with subprocess.Popen(
        command, env=made.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield made
        process.terminate()


def test_a_page_with_only_the_host_changed_fills_the_imported_field_by_its_old_id(
    installation: Installation, site: Site, page: Page, faults: list[str]
) -> None:
    meta = {"lead": {"custom_fields": [{"id": str(VISIT_FIELD), "values": [{"value": "77"}]}]}}
    call = f"amo_social_button.setMeta({json.dumps(meta)})"
    snippet = SNIPPET.replace(OLD_HOST, installation.url)
    page.goto(site.put("/", "shop.html", snippet=f"<script>{snippet}{call}</script>"))
    page.get_by_role("button", name="Чат").click()
    box = page.frame_locator("iframe").get_by_role("textbox")
    box.fill("Здравствуйте!")
    box.press("Enter")
    expect(page.frame_locator("iframe").get_by_role("log")).to_contain_text("Здравствуйте!")
    page.wait_for_function(f"() => {call}.then((verdicts) => verdicts[0].verdict !== 'waiting_for_lead')")
    [lead] = installation.run("lead", "list")
    shown = installation.run("lead", "show", str(lead["id"]))
    [field] = shown["lead"]["custom_fields_values"]
    assert (field["field_id"], field["values"]) == (VISIT_FIELD, [{"value": "77"}])
    assert lead["unsorted"]["category"] == "chats"
    assert faults == []
