"""The architecture, enforced: who may import whom, one arithmetic, nothing heavy at the door."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "nanoscope"
LAYERS = [
    ["errors"],
    ["store", "seeds", "sites", "dropout", "allocator"],
    ["stats", "matching", "changes", "parts"],
    ["findings"],
    ["results"],
    ["model", "tokens"],
    ["corpora", "checkpoint", "batches", "recipe"],
    ["stretches"],
    ["train", "planted", "planted_heads", "planted_neurons", "planted_taxonomy"],
    ["model_card"],
    ["release"],
    ["edits"],
    ["activations"],
    ["tasks", "ngrams", "weights", "concepts", "matches"],
    ["metrics", "ranks", "precision", "passages", "hidden", "logistic", "roc"],
    ["replay", "estimate"],
    ["analysis"],
    ["checks"],
    ["plots"],
    ["experiments"],
    ["presets"],
    ["stages", "executors"],
    ["plan"],
    ["pace"],
    ["study"],
    ["report"],
    ["cli"],
]
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
ON_A_BARE_GPU_MACHINE = [
    "model",
    "activations",
    "edits",
    "sites",
    "metrics",
    "tasks",
    "weights",
    "replay",
    "precision",
    "analysis",
]


def _files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imports(path: Path) -> set[str]:
    """All modules that a file imports, in full."""
    tree = ast.parse(path.read_text())
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    joined = {f"{node.module}.{alias.name}" for node in froms if node.module == "nanoscope" for alias in node.names}
    return plain | joined | {str(node.module) for node in froms if node.module != "nanoscope"}


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_above_it(path: Path) -> None:
    mine = _part(path)
    for name in _imports(path):
        if name.startswith("nanoscope.") and name.split(".")[1] in RANK:
            other = name.split(".")[1]
            assert RANK[other] < RANK[mine] or other == mine, f"{mine} imports {other}"


def test_every_module_has_its_layer() -> None:
    assert {_part(path) for path in _files()} == set(RANK)


def test_analyses_never_import_one_another() -> None:
    for path in (PACKAGE / "analysis").glob("*.py"):
        assert not {name for name in _imports(path) if name.startswith("nanoscope.analysis")}, path


def test_only_plots_import_matplotlib_and_only_the_faces_rich_and_tyro() -> None:
    for path in _files():
        heads = {name.split(".")[0] for name in _imports(path)}
        assert "matplotlib" not in heads or _part(path) in ("plots", "experiments"), path
        assert not heads & {"rich", "tyro"} or _part(path) == "cli", path


def test_there_is_one_arithmetic() -> None:
    """Softmax over keys, activations, norms, the fused kernel and the scale of scores stand in model.py alone."""
    arithmetic = re.compile(
        r"(?<!log_)softmax\(|\.gelu\(|\brelu\(|layer_norm\(|rms_norm\(|scaled_dot_product|d_head\s*\*\*|sqrt\(.*d_head"
    )
    assert len(arithmetic.findall((PACKAGE / "model.py").read_text())) >= 5
    for path in _files():
        if path.name not in ("model.py", "planted.py"):
            assert not arithmetic.search(path.read_text()), path


def test_only_the_command_line_reads_how_the_process_was_called() -> None:
    for path in _files():
        assert "sys.argv" not in path.read_text() or _part(path) == "cli", path


def test_no_hooks_no_globals_no_grab_bags() -> None:
    for path in _files():
        text = path.read_text()
        assert not re.search(r"register_\w*hook|^\s*global ", text, re.MULTILINE), path
        assert "utils" not in path.stem, path


def test_functions_and_files_stay_small() -> None:
    for path in _files():
        lines = path.read_text().splitlines()
        assert len(lines) <= 420, f"{path} has {len(lines)} lines"
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"


def _loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not _loaded_after("import nanoscope") & {"torch", "numpy", "scipy", "matplotlib", "xarray", "tyro"}


def test_help_loads_no_torch() -> None:
    statement = "import contextlib, os\nimport nanoscope.cli as cli\n"
    statement += (
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(open(os.devnull, 'w')): cli.main(['--help'])"
    )
    assert not _loaded_after(statement) & {"torch", "numpy", "scipy", "matplotlib", "xarray"}


@pytest.mark.parametrize("module", ON_A_BARE_GPU_MACHINE)
def test_the_core_needs_torch_numpy_and_safetensors_only(module: str) -> None:
    """So that it runs on a bare GPU machine."""
    names = [f"nanoscope.{module}"]
    if module == "analysis":
        names = [f"nanoscope.analysis.{path.stem}" for path in (PACKAGE / "analysis").glob("[a-z]*.py")]
    loaded = _loaded_after("; ".join(f"import {name}" for name in names))
    assert not loaded & {"scipy", "matplotlib", "xarray", "pandas", "jaxtyping", "tyro", "rich", "einops"}


def test_public_names_are_real() -> None:
    import nanoscope

    for name in nanoscope.__all__:
        assert getattr(nanoscope, name) is not None
    with pytest.raises(AttributeError, match="nanoscope has no 'nothing'"):
        _ = nanoscope.nothing
