"""The code in README and in the site's pages: the blocks of a page, and the commands of a block."""

import functools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "models/*.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
)


@dataclass(frozen=True)
class Block:
    """Code in a page: its place, its language (`shell` where none is said), its lines, and why it is left out."""

    place: str
    language: str
    text: str
    skip: str | None


@functools.cache
def blocks(page):
    """The fenced blocks of a page, and its indented lines that begin with a prompt."""
    found, fence, skip = [], None, None
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence = Block(f"{page}:{number}", line[3:].strip() or "shell", "", skip)
        elif fence is not None and line.startswith("```"):
            found.append(fence)
            fence = skip = None
        elif fence is not None:
            fence = Block(fence.place, fence.language, f"{fence.text}{line}\n", fence.skip)
        elif line.startswith("    $ "):
            found.append(Block(f"{page}:{number}", "shell", line[6:], None))
        elif comment := re.fullmatch(r"<!-- test: skip (.+) -->", line):
            skip = comment[1]
    assert fence is None, f"{fence} does not end"
    return found


def commands(text):
    """The commands of shell lines, in words; comments and `...` are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if word in ("&&", "|", ";"):
                if words:
                    yield words
                words = []
            elif word != "..." and (words or not re.fullmatch(r"[A-Z_]+=\S+|sudo", word)):
                words.append(word)


def ours(words):
    """The command by its own name: `python -m edge` is `sge-edge`."""
    words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    return ["sge-edge", *words[3:]] if words[:3] == ["python", "-m", "edge"] else words
