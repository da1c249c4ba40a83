"""What axe finds on a page."""

from pathlib import Path
from typing import Any

import axe_playwright_python

from tests.support.visits import Visit

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Visit, where: str = "") -> list[str]:
    """Each rule that is broken, with the elements that break it, in the whole page or in one part of it.

    A name that an element's role does not allow counts always: axe is sure of it only while the element has no text.
    The page's policy forbids a script tag, not this.
    """
    if not page.page.evaluate("() => 'axe' in window"):
        page.page.evaluate(f"() => {{ {AXE} }}")
    found: list[dict[str, Any]] = page.page.evaluate(
        "async ([tags, where]) => {"
        "  const found = await axe.run(where || document, {runOnly: tags, resultTypes: ['violations', 'incomplete']});"
        "  return [...found.violations, ...found.incomplete.filter(rule => rule.id === 'aria-prohibited-attr')];"
        "}",
        [RULES, where],
    )
    return [
        f"{rule['id']}: {node['target']} {(node['any'] or node['all'] or node['none'])[0]['message']}"
        for rule in found
        for node in rule["nodes"]
    ]
