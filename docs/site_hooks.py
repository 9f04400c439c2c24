"""What `make docs` adds to the pages of this folder: pages that live elsewhere, the notebook, and the public names."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Page of the site -> the file of the repository that it is; its links are those of the repository.
PLACES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
PLACES |= {"LICENSE": "LICENSE"} | {f"models/{path.name}": f"models/{path.name}" for path in ROOT.glob("models/*.md")}
NOTEBOOK = "docs/notebook.ipynb"
_LINK = re.compile(r"(\]\()([^()\s#:]+\.(?:md|ipynb|png|jpg|json|py|yaml)|[./]*LICENSE)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that live outside this folder, and the notebook as a page."""
    for uri, path in PLACES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "notebook.md", content=notebook_page(ROOT / NOTEBOOK)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files of the repository become links between pages."""
    uri = page.file.src_uri
    folder = posixpath.dirname(PLACES.get(uri, f"docs/{uri}"))
    pages = {path: place for place, path in PLACES.items()} | {NOTEBOOK: "notebook.md"}

    def moved(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[2]))
        target = pages.get(path, path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}")
        return link[1] + posixpath.relpath(target, posixpath.dirname(uri) or ".")

    return _LINK.sub(moved, markdown)


def notebook_page(path: Path) -> str:
    """The cells of a notebook as Markdown: text, code, and what is stored of their output."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            if "text" in output:
                parts.append("```text\n" + "".join(output["text"]).rstrip() + "\n```")
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    parts.append(f"![output](data:{kind};base64,{''.join(output['data'][kind].split())})")
    return "\n\n".join(parts) + "\n"


class PublicNames(griffe.Extension):
    """Tells griffe, which reads sources without importing them, what it does not see there.

    The names that `edge.lazy.lazy_names` gives a package; and where an argument begins, as several may stand in a line.
    """

    def on_module_members(self, *, node: Any, mod: griffe.Module, **_: Any) -> None:
        """Adds each name of a package's table as an alias of where it lives."""
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "lazy_names":
                homes = ast.literal_eval(call.args[1])
                for name, home in homes.items():
                    if home != f"{mod.path}.{name}":
                        mod.set_member(name, griffe.Alias(name, f"{home}.{name}"))
                mod.exports = sorted(homes)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Gives each argument and attribute of each docstring a line of its own."""
        waiting: list[griffe.Object] = [pkg]
        while waiting:
            item = waiting.pop()
            waiting += [member for member in item.members.values() if not member.is_alias]
            if item.docstring and not item.is_attribute:
                arguments = [argument.name.lstrip("*") for argument in getattr(item, "parameters", ())]
                item.docstring.value = one_a_line(item.docstring.value, {*arguments, *item.all_members})


def one_a_line(docstring: str, names: set[str]) -> str:
    """A Google docstring whose sections `Args` and `Attributes` have one entry of `names` a line.

    A class whose arguments are its base's, which are not known here, has them as text.
    """

    def section(found: re.Match[str]) -> str:
        text = re.sub(r"\n\s+", " ", found[2]).strip()
        words = re.split(r"(?:^|(?<=[.)?`] ))\**(\w+(?:, \w+)*): ", text)
        groups = zip(words[1::2], words[2::2], strict=True)
        entries = [(name, entry) for group, entry in groups for name in group.split(", ")]
        if not entries or words[0] or not {name for name, _ in entries} <= names:
            return found[0]
        return found[1] + "".join(f"\n    {name}: {entry.strip()}" for name, entry in entries) + "\n"

    return re.sub(r"^((?:Args|Attributes):)\n((?:[ ]+\S.*(?:\n|$))+)", section, docstring, flags=re.MULTILINE)
