"""Every diagram of every page is drawn by the script that the site carries, in a real browser without a network."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = """<!doctype html><meta charset="utf-8"><pre id="verdict"></pre><script src="{script}"></script><script>
(async () => {{
  const verdicts = {{}};
  mermaid.initialize({{ startOnLoad: false }});
  for (const [index, [where, text]] of {diagrams}.entries()) {{
    try {{ verdicts[where] = (await mermaid.render(`d${{index}}`, text)).svg.length > 500 ? "drawn" : "empty"; }}
    catch (error) {{ verdicts[where] = String(error); }}
  }}
  document.getElementById("verdict").textContent = JSON.stringify(verdicts);
}})();
</script>"""


def diagrams() -> list[tuple[str, str]]:
    found = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for number, diagram in enumerate(DIAGRAM.findall(page.read_text(encoding="utf-8"))):
            found.append((f"{page.relative_to(ROOT)} #{number}", diagram))
    return found


@pytest.fixture(scope="module")
def script() -> Path:
    """The script that draws, as `make docs` puts it into the site."""
    fetched = subprocess.run([ROOT / "docs/scripts/get_mermaid.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(fetched.stdout.strip())


def test_every_diagram_is_drawn(script: Path, tmp_path: Path) -> None:
    page = tmp_path / "diagrams.html"
    page.write_text(PAGE.format(script=script.as_uri(), diagrams=json.dumps(diagrams())), encoding="utf-8")
    shown = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=60000", "--dump-dom", page.as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=900,
        check=True,
    )  # fmt: skip
    told = re.search(r'<pre id="verdict">(.*?)</pre>', shown.stdout, re.DOTALL)
    assert told, "the page did not run"
    verdicts = json.loads(html.unescape(told[1]))
    assert verdicts == {where: "drawn" for where, _ in diagrams()}
    assert len(verdicts) >= 15
