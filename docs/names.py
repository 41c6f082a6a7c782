"""Before a page is built: `{{ public names of flatrank.room }}` becomes an entry for each of them.

The names are those that the room's `__init__.py` imports under their own name, so that no page has
to be changed when a name is added. Each is described where it is defined, methods included.
"""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
ASKED = re.compile(r"^\{\{ public names of ([\w.]+) \}\}$", re.MULTILINE)


@cache
def public(package):
    """Names by which a package is used, and where they come from; no rooms and no constants."""
    file = ROOT / package.replace(".", "/") / "__init__.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {}
    # The package's own names stand in a block for type checkers; they are imported when used.
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {a.name: node.module for a in node.names if a.asname == a.name}
    return {
        name: source(module, name)
        for name, module in found.items()
        if not (file.parent / name).is_dir() and not name.isupper()
    }


def source(module, name):
    """`module.name`, where the name is not imported from elsewhere."""
    inside = (ROOT / module.replace(".", "/")).is_dir()
    return public(module)[name] if inside else f"{module}.{name}"


def entries(package):
    """What `flatrank` itself offers is described on its page alone."""
    names, above = public(package), {}
    if package != "flatrank":
        above = {name: place for name, place in names.items() if name in public("flatrank")}
    also = ", ".join(f"[`{name}`](index.md#{place})" for name, place in above.items())
    own = [f"::: {place}" for name, place in names.items() if name not in above]
    return "\n\n".join(([f"With the package itself: {also}."] if also else []) + own)


def on_page_markdown(markdown, **_):
    return ASKED.sub(lambda asked: entries(asked[1]), markdown)
