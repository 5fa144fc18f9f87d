"""The doors through which code registers: our own folders, installed plugins, files of a user."""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import marshal
import os
import pkgutil
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from benchmark.errors import UserError, told

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("robustness", "baselines", "methods")
EVALUATIONS = ("benchmark.evaluation", "benchmark.cost.evaluation")
POINTS = "affectbench.models"  # the group of entry points

_broken: dict[str, str] = {}
_loaded = False


def load_packages() -> None:
    """Import our own upper folders and installed plugins once; a broken file is remembered."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for package_name in PACKAGES:
        package = importlib.import_module(package_name)
        for info in pkgutil.iter_modules(package.__path__, f"{package_name}."):
            if not info.ispkg:
                _import(info.name)
    for module in EVALUATIONS:
        _import(module)
    for point in entry_points(group=POINTS):
        try:
            point.load()
        except Exception as error:
            _broken[point.name] = f"{type(error).__name__}: {told(error)}"


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        _broken[name] = f"{type(error).__name__}: {told(error)}"


def own_models() -> set[str]:
    """Names of the models of this suite, read from their files: none is imported."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                if isinstance(node.func, ast.Name) and node.func.id == "register_model":
                    found.add(ast.literal_eval(node.args[0]))
    return found


def broken_modules() -> dict[str, str]:
    """Module name -> why it failed to import; its models are not listed, the rest goes on."""
    load_packages()
    return dict(_broken)


def import_file(path: str | Path) -> str:
    """Import a file under a name of its own, which is returned.

    Raises:
        UserError: the file is missing or fails to import.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"plugin {str(path)!r} is no file; give the path of a Python file")
    place = hashlib.blake2b(str(file.resolve()).encode(), digest_size=4).hexdigest()
    name = f"affectbench_plugin_{file.stem}_{place}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plugin {str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    here, limit = os.getcwd(), sys.getrecursionlimit()
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise UserError(
            f"plugin {str(path)!r} fails to import: {type(error).__name__}: {told(error)}"
        ) from error
    finally:
        sys.setrecursionlimit(limit)
        os.chdir(here)  # relative paths of the command stay what they are
    return name


def is_foreign(thing: Any) -> bool:
    """Whether a class or function is defined outside our own packages."""
    return str(thing.__module__).partition(".")[0] not in ("benchmark", *PACKAGES)


def source_digest(thing: Any) -> str:
    """Hash of a class's or function's file and of every file of our packages that it imports from.

    What has no file, as in a notebook, is known by its own source or byte code.
    """
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(_source_files(thing.__module__)):
        digest.update(Path(path).read_bytes())
    if file_of(thing.__module__) is None:
        digest.update(_text_of(thing).encode())
    return digest.hexdigest()


def origin(thing: Any) -> tuple[str, str]:
    """File and name of a class or function: equal if a file is imported again."""
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    return file or thing.__module__, thing.__qualname__


def file_of(module: str) -> str | None:
    """The file of a module; None in a notebook and for code from standard input."""
    path = getattr(sys.modules.get(module), "__file__", None)
    return path if path is not None and Path(path).is_file() else None


def _text_of(thing: Any) -> str:
    """What is known of a class or function whose module has no file."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        parts = vars(thing).values() if isinstance(thing, type) else [thing]
        codes = [getattr(value, "__code__", None) for value in parts]
        return "".join(marshal.dumps(code).hex() for code in codes if code)


def _source_files(name: str, seen: set[str] | None = None) -> set[str]:
    """Files of a module and, recursively, of those modules of PACKAGES that it takes names from."""
    seen = set() if seen is None else seen
    module, path = sys.modules.get(name), file_of(name)
    if path is None or name in seen:
        return set()
    seen.add(name)
    files = {path}
    for value in vars(module).values():
        origin = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(origin, str) and origin.partition(".")[0] in PACKAGES:
            files |= _source_files(origin, seen)
    return files
