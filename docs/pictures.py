"""Draw the pictures of the gallery: run the examples of its page where pictures are kept."""

import os
import re
from pathlib import Path

DOCS = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the blocks of gallery.md, one after the other."""
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    os.chdir(DOCS / "assets")
    names: dict[str, object] = {}
    for block in BLOCK.finditer(text):
        exec(compile(block[1], "gallery.md", "exec"), names)


if __name__ == "__main__":
    main()
