"""The stored results as one file that opens from disk: the page, and in it every answer that its views ask for."""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanoscope import files
from nanoscope.dashboard import messages
from nanoscope.dashboard.stored import Stored
from nanoscope.progress import Progress, silent
from nanoscope.views.stored_figures import picture

STATIC = Path(__file__).parent / "static"


def export(stored: Stored, file: Path, progress: Progress = silent) -> Path:
    """Write the page with the study's findings, heads, circuits, trainings and figures. NanoscopeError if there is no study."""
    files.write_bytes(file, page(answers(stored, progress)).encode())
    return file


def answers(stored: Stored, progress: Progress = silent) -> Mapping[str, Any]:
    """What the server would answer, by address; pictures as data."""
    progress("reading the results", 0, 100)
    study, folder = stored.study, stored.folder
    assert folder is not None
    found = {
        "stored": stored.index,
        "findings": stored.sections,
        **{f"heads/stored?number={n}": stored.heads(n) for n in range(len(stored.labels))},
        **{f"circuits/stored?number={n}": stored.circuit(n) for n in range(len(stored.tasks))},
        **{f"training?number={n}": stored.training(n) for n in range(len(stored.recipes))},
    }
    figures = dict.fromkeys((one.result, one.name) for section in stored.sections for one in section.figures)
    for done, (result, name) in enumerate(figures):
        progress(f"figure {name}", 10 + 90 * done // len(figures), 100)
        content = base64.b64encode(picture(study, folder, result, name)).decode()
        found[f"figure?result={result}&name={name}"] = f"data:image/png;base64,{content}"
    return found


def page(held: Mapping[str, Any]) -> str:
    """The built page with its script, its styles and the answers inside. It may load nothing from anywhere."""
    script = (STATIC / "page.js").read_text().replace("</script", "<\\/script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:"
    data = messages.text(held).replace("<", "\\u003c")
    icon = base64.b64encode((STATIC / "favicon.svg").read_bytes()).decode()
    inside = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}" />'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}" />'
        f"<style>{(STATIC / 'page.css').read_text()}</style>"
    )
    html = (STATIC / "index.html").read_text()
    head = re.sub(r"<script[^>]*></script>|<link[^>]*>", "", html).replace("</head>", f"{inside}</head>")
    body = f'<script type="application/json" id="answers">{data}</script><script type="module">{script}</script>'
    return head.replace("</body>", f"{body}</body>")
