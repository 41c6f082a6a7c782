"""Draw the pictures of the pages: run the examples of each where pictures are kept."""

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PAGES = "gallery.md", "regularisers.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the blocks of each page, one after the other."""
    os.chdir(DOCS / "assets")
    for page in PAGES:
        names: dict[str, object] = {}
        for block in BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
            exec(compile(block[1], page, "exec"), names)


if __name__ == "__main__":
    main()
