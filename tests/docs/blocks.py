"""The fenced blocks of a page, with the comment and the block that stand before and after them."""

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- needs: (?P<needs>[^\n]+) -->\n)?```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NEEDS = ("network", "gpu", "a cluster", "a server", "a quiet machine", "minutes of computing")


@dataclass(frozen=True)
class Block:
    """`needs` is what a block is marked with; `shown` and `fields` are the text or JSON block right after it: what it
    prints."""

    kind: str
    body: str
    needs: str | None
    title: str | None
    shown: str | None
    fields: str | None

    @property
    def commands(self) -> list[str]:
        """The lines without their comments; a backslash goes on in the next line."""
        lines = self.body.replace("\\\n", " ").splitlines()
        return [line for line in (re.sub(r"\s+#.*$", "", one).strip() for one in lines) if line]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    result = []
    for place, one in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else None
        near = after is not None and not text[one.end() : after.start()].strip()
        printed = {after["kind"]: after["body"]} if after is not None and near else {}
        shown, fields = printed.get("text"), printed.get("json")
        result.append(Block(one["kind"], one["body"], one["needs"], one["title"], shown, fields))
    return result
