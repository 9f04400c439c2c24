"""The site: it builds without a warning, a broken link or reference fails it, and the public names are all on it."""

import ast
import importlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[1]
# Page of the reference -> the package whose public names it holds.
FACES = {
    "keras_sge": "keras_sge",
    "layers": "keras_sge.layers",
    "models": "keras_sge.models",
    "config": "keras_sge.config",
    "data": "keras_sge.data",
    "evaluation": "keras_sge.evaluation",
    "quantization": "quantization",
    "edge": "edge",
}


@pytest.fixture(autouse=True)
def no_advertisement(monkeypatch):
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")


def build_strictly(out, **settings):
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(out), strict=True, **settings))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build_strictly(out)
    return out


class _Loaded(HTMLParser):
    """Addresses that a browser loads with a page: scripts, styles, pictures, fonts."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "img", "source") or (tag == "link" and given.get("rel") in ("stylesheet", "preconnect")):
            self.addresses.append(given.get("src") or given.get("href") or "")


def test_nothing_is_loaded_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in loaded.addresses if re.match(r"(?:https?:)?//", address)], page


def public_names(package):
    """The dotted names in a package's `__all__`; one that stands in its source is read there, without TensorFlow."""
    source = ast.parse(ROOT.joinpath(*package.split("."), "__init__.py").read_text(encoding="utf-8"))
    for node in source.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            return {f"{package}.{name}" for name in ast.literal_eval(node.value)}
    return {f"{package}.{name}" for name in importlib.import_module(package).__all__ if name[0] != "_"}


@pytest.mark.parametrize("page", FACES)
def test_every_public_name_is_in_the_reference(page, site):
    face = FACES[page]
    there = set(re.findall(r'id="([\w.]+)"', (site / "api" / f"{page}.html").read_text(encoding="utf-8")))
    assert public_names(face) - {*FACES.values()} <= there


def test_an_argument_has_a_line_of_its_own_where_docstrings_have_several(site):
    text = (site / "api" / "keras_sge.html").read_text(encoding="utf-8")
    for argument in ("config", "run", "resume", "verbose"):
        assert f"<b><code>{argument}</code></b>" in text


def test_pages_from_elsewhere_in_the_repository_link_to_pages(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    for address in ("tutorial.html", "notebook.html", "models/index.html", "contributing.html", "images/val_strip.jpg"):
        assert f'"{address}"' in home
    assert "SqueezedGRU2D(16)" in re.sub(r"<[^>]+>", "", (site / "notebook.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    ["[gone](nowhere.md)", "[gone](index.md#nowhere)", "![gone](images/nowhere.png)", "::: keras_sge.nowhere"],
)
def test_what_leads_nowhere_fails(text, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Page\n\n{text}\n")
    with pytest.raises((Abort, SystemExit)):
        build_strictly(tmp_path / "out", docs_dir=str(tmp_path / "docs"), nav=[{"Home": "index.md"}], hooks=[])
