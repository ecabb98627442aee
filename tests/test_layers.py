"""The architecture, enforced: the contracts of pyproject.toml, one arithmetic, nothing heavy at the door."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PACKAGE = Path(__file__).parent.parent / "src" / "nanoscope"
ON_A_BARE_GPU_MACHINE = ["model", "tasks", "interventions", "analysis"]


def _files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def test_the_contracts_of_the_architecture_hold() -> None:
    """Floors, independent analyses, no circles of folders or files, who draws and who talks to a terminal: pyproject.toml."""
    assert lint_imports(config_filename=str(PACKAGE.parents[1] / "pyproject.toml"), no_cache=True) == 0


def test_every_room_says_what_lives_there() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text()))
        assert said, path
        if "opened(__name__" in path.read_text():
            assert len(said.splitlines()) <= 3, path


def test_there_is_one_arithmetic() -> None:
    """Softmax over keys, activations, norms, the fused kernel and the scale of scores stand in model/arithmetic.py alone."""
    arithmetic = re.compile(
        r"(?<!log_)softmax\(|\.gelu\(|\brelu\(|layer_norm\(|rms_norm\(|scaled_dot_product|d_head\s*\*\*|sqrt\(.*d_head"
    )
    assert len(arithmetic.findall((PACKAGE / "model" / "arithmetic.py").read_text())) >= 5
    for path in _files():
        if path not in (PACKAGE / "model" / "arithmetic.py", PACKAGE / "planted" / "induction.py"):
            assert not arithmetic.search(path.read_text()), path


def test_only_the_command_line_reads_how_the_process_was_called() -> None:
    for path in _files():
        assert "sys.argv" not in path.read_text() or path.is_relative_to(PACKAGE / "cli"), path


def test_no_hooks_no_globals_no_grab_bags() -> None:
    for path in _files():
        text = path.read_text()
        assert not re.search(r"register_\w*hook|^\s*global ", text, re.MULTILINE), path
        assert "utils" not in path.stem, path


def test_functions_and_files_stay_small() -> None:
    for path in _files():
        lines = path.read_text().splitlines()
        assert len(lines) <= 350, f"{path} has {len(lines)} lines"
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
def test_the_core_draws_nothing_and_talks_to_no_terminal(module: str) -> None:
    """It runs on a bare GPU machine with torch, numpy, scipy, safetensors and jaxtyping."""
    folder = PACKAGE / module
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in folder.rglob("*.py") if path.name != "__init__.py"]
    names = [f"nanoscope.{'.'.join(path.parts)}" for path in paths]
    loaded = _loaded_after("; ".join(f"import {name}" for name in names))
    assert not loaded & {"matplotlib", "xarray", "pandas", "tyro", "rich", "einops"}


def test_public_names_are_real() -> None:
    import nanoscope

    for name in nanoscope.__all__:
        assert getattr(nanoscope, name) is not None
    with pytest.raises(AttributeError, match="nanoscope has no 'nothing'"):
        _ = nanoscope.nothing


def test_the_door_shows_words_and_rooms_and_opens_them_when_asked() -> None:
    code = "import nanoscope as ns\nassert {'patching', 'heads', 'lens', 'neurons', 'tasks', 'text'} <= set(dir(ns))\n"
    code += "ns.patching.exact, ns.heads.repeated_sequences, ns.lens.lens_logits, ns.neurons.selectivity, ns.tasks.copy_task\n"
    code += "ns.analysis.causal.patching, ns.metrics.logit_diff, ns.text.corpora.open_corpus, ns.planted.induction"
    assert "nanoscope.analysis.causal.patching" in _loaded_after(code)


def test_a_room_shows_its_modules_and_opens_one_when_asked() -> None:
    code = "import nanoscope.text\nassert {'corpora', 'windows', 'ngrams'} <= set(dir(nanoscope.text))\nnanoscope.text.windows"
    loaded = _loaded_after(code)
    assert "nanoscope.text.windows" in loaded
    assert "nanoscope.text.corpora" not in loaded
    with pytest.raises(AttributeError, match=r"nanoscope\.text has no 'nothing'"):
        _ = import_module("nanoscope.text").nothing
