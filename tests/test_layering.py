"""Imports point one way, and no company is named in the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODEL = sorted((ROOT / "model").glob("*.py"))
SERVICE = sorted(p for p in (ROOT / "service").rglob("*") if p.suffix in {".py", ".js", ".css", ".html"})
# Lower layers first; a module reaches layers below its own, and its own without a cycle. Parts of them are not listed.
LAYERS = [
    {"errors"},
    {"matrix", "text", "decision", "phrases", "vectors"},
    {"rules", "classifier", "composition", "examples"},
    {"evidence", "policy", "verdicts"},
    {"decider"},
    {"evaluation", "trained", "held_out"},
    {"training", "registry", "outcomes", "inspection"},
    {"router", "gate", "comparison", "gathering", "card", "plots"},
    {"retraining"},
]
LAYER = {name: n for n, names in enumerate(LAYERS) for name in names}
PACKAGES = ["service.corrections", "service.tables"]  # each stands on `model/` alone
FORBIDDEN_IN_MODEL = {"service", "flask", "click", "sqlalchemy", "gunicorn", "werkzeug", "alembic", "os", "psycopg"}


def imports(path):
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if (ROOT / node.module.replace(".", "/")).is_dir():
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path):
    """The dotted name of a file; a package's is that of its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODEL, ids=lambda p: p.name)
def test_model_knows_no_way_in(path):
    allowed = {"os"} if path.name == "registry.py" else set()  # it forces files to disk
    found = {name.partition(".")[0] for name in imports(path)}
    assert not found & (FORBIDDEN_IN_MODEL - allowed)


@pytest.mark.parametrize("path", MODEL, ids=lambda p: p.name)
def test_model_knows_no_clock_and_no_environment(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"environ", "getenv", "now", "utcnow", "today"}, f"line {node.lineno}"


def reached(name):
    """Every module of `model/` that a module imports, directly or through others."""
    found, waiting = set(), [name]
    while waiting:
        for imported in imports(ROOT / "model" / f"{waiting.pop()}.py"):
            package, _, module = imported.partition(".")
            if package == "model" and module and module not in found:
                found.add(module)
                waiting.append(module)
    return found


@pytest.mark.parametrize("name", LAYER)
def test_imports_within_model_point_down(name):
    above = {module for module in reached(name) if LAYER.get(module, 0) > LAYER[name]}
    assert not above


@pytest.mark.parametrize("folder", ["model", "service"])
def test_there_is_no_cycle(folder):
    graph = {}
    for path in (ROOT / folder).rglob("*.py"):
        own = module_name(path)
        graph[own] = {name for name in imports(path) if name.startswith(f"{folder}.") and name != own}
    while graph:
        leaves = {name for name, wanted in graph.items() if not wanted & graph.keys()}
        assert leaves, f"a cycle among {sorted(graph)}"
        graph = {name: wanted for name, wanted in graph.items() if name not in leaves}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_of_the_service_needs_nothing_of_the_service_outside_it(package):
    paths = sorted((ROOT / package.replace(".", "/")).rglob("*.py"))
    assert paths
    for path in paths:
        found = {name for name in imports(path) if name.partition(".")[0] == "service"}
        assert not {name for name in found if not name.startswith(f"{package}.")}, path.name


def test_only_the_application_and_the_command_line_stand_above_the_views():
    for path in (ROOT / "service").rglob("*.py"):
        above = {"service.app", "service.server", "service.cli"}
        if module_name(path) not in {*above, "service.report"}:
            assert not above & set(imports(path)), path.name


@pytest.mark.parametrize("path", [*MODEL, *SERVICE], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_company_is_named(path, matrix):
    text = path.read_text("utf-8")
    assert not re.search(r"ozonetel|kookoo|cloud ?agent\b(?! WebRTC is not working)|telco\b", text, re.IGNORECASE)
    desks = [level for desk in matrix.desks for level in desk.levels]
    contacts = {x for region in matrix.regions for x in (region.email, *(n.number for n in region.numbers))}
    contacts |= {x for level in desks for x in (level.email, level.phone, level.name)}
    squeezed = re.sub(r"\s", "", text)
    assert not [x for x in contacts if x and x.replace(" ", "") in squeezed]


@pytest.mark.parametrize("path", [*MODEL, *SERVICE], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_label_is_written_in_code(path, matrix):
    """Issue types, owners and queues are the matrix's business; docstrings may give them as examples."""
    if path.suffix != ".py":
        return
    number_format = {"General"} if path.name == "sheets.py" else set()
    tree = ast.parse(path.read_text("utf-8"))
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    labels = {*matrix.severity_ids, *matrix.owner_ids, *matrix.queue_ids, *matrix.issue_type_ids} - {
        "reports",
        "other",
    }  # everyday words
    labels |= {impact.id for impact in matrix.impacts} - {"none", "question", "change"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            assert node.value not in labels - number_format, f"line {node.lineno}: {node.value!r}"
