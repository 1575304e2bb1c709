"""The network policies name every arrow: those of the page for operators, and those of the architecture page."""

from __future__ import annotations

import itertools
import re

from manifests import CHART, EVERYTHING, ROOT, architecture, run_template

SERVICES = set(architecture()["services"])
NAMES = {"postgres": "PostgreSQL", "valkey": "Valkey", "mqtt": "the broker", "mail": "the mail server"}
# What the architecture page calls them.
DRAWN = {"pg": "PostgreSQL", "valkey": "Valkey", "broker": "the broker", "browser": "the ingress controller"}
Arrow = tuple[str, str]


def names(text: str) -> set[str]:
    """Return what a cell or a comment lists."""
    listed = {part.strip() for part in text.split(",")}
    return SERVICES if listed == {"every service"} else {NAMES.get(name, name) for name in listed}


def arrows_of_the_policies() -> set[Arrow]:
    """Return what the rendered policies say of each of their rules; a rule without a word is an error."""
    everything = [*EVERYTHING, "ingress.enabled=true", "monitoring.enabled=true"]
    done = run_template(
        "--values", str(CHART / "values-large.yaml"), *(part for one in everything for part in ("--set", one))
    )
    assert done.returncode == 0, done.stderr
    found: set[Arrow] = set()
    for document in done.stdout.split("\n---\n"):
        if "\nkind: NetworkPolicy\n" not in document or "-default-deny\n" in document:
            continue
        said = re.findall(r"^    # (.+) → (.+)\n    - ", document, re.MULTILINE)
        assert len(said) == len(re.findall(r"^    - ", document, re.MULTILINE)), document
        found |= {arrow for left, right in said for arrow in itertools.product(names(left), names(right))}
    return found


def arrows_of_the_page() -> set[Arrow]:
    text = (ROOT / "docs/deploy-kubernetes.md").read_text(encoding="utf-8")
    table = text.split("## Who may talk to whom")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|[^|]*\|$", table, re.MULTILINE)
    return {arrow for left, right in rows[1:] for arrow in itertools.product(names(left), names(right))}


def lines_of_the_architecture() -> set[frozenset[str]]:
    """Return the pairs that the diagram of parts joins, groups as their members; which way data flows does not matter."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    diagram = text.split("## Parts and arrows")[1].split("```mermaid")[1].split("```")[0]
    groups = {
        name: set(re.findall(r"^\s+(\w+)\[", body, re.MULTILINE))
        for name, body in re.findall(r"subgraph (\w+)\[[^\]]*\]\n(.*?)\n  end", diagram, re.DOTALL)
    }
    edge = re.compile(r"^  ([\w& ]+?) (?:---|-->|-- \"[^\"]*\" -->|-- \"[^\"]*\" ---) (\w+)", re.MULTILINE)
    joined = set()
    for left, right in edge.findall(diagram):
        ends = [
            {one for part in end.split("&") for one in groups.get(part.strip(), {part.strip()})}
            for end in (left, right)
        ]
        joined |= {frozenset(DRAWN.get(one, one) for one in pair) for pair in itertools.product(*ends)}
    return joined


def test_the_policies_let_through_what_the_operators_page_says_and_nothing_else() -> None:
    assert arrows_of_the_policies() == arrows_of_the_page()


def test_every_line_of_the_architecture_page_is_an_arrow_of_the_policies() -> None:
    let_through = {frozenset(arrow) for arrow in arrows_of_the_policies()}
    drawn = lines_of_the_architecture()
    # Devices reach the broker from outside of the cluster.
    inside = {pair for pair in drawn if pair & SERVICES}
    assert len(drawn - inside) == 2
    assert len(inside) > 3 * (len(SERVICES) - 1)
    assert inside <= let_through
