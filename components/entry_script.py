"""The entry script (`score.py`): what can be said of it without running it."""

import ast
from pathlib import Path

from components.problems import Problem


def check_entry_script(path: Path) -> Path:
    """Return `path` of a script that defines `init` and `run`, or `run_batch` in place of it, at its top level.

    Assignments and imports of these names count: `run = predictor.run` is a valid script, and `import *` may bring
    them.

    Raises:
        Problem: the file is missing, is not Python 3, or lacks one of the two.
    """
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.py"))[:5] if path.parent.is_dir() else []
        beside = f" Scripts beside it: {', '.join(near)}." if near else ""
        raise Problem(f"the entry script {str(path)!r} does not exist: give a path to a Python file.{beside}")
    try:
        tree = ast.parse(path.read_bytes(), filename=path.name)
    except (SyntaxError, ValueError) as error:
        line = f" line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise Problem(
            f"the entry script {str(path)!r} is not Python:{line}: {reason}. Give a Python 3 file that defines init() "
            f"and run(data): python -m py_compile {path} shows where this one fails."
        ) from None
    defined = names_defined(tree)
    if "run_batch" in defined:
        defined.add("run")
    missing = [name for name in ("init", "run") if name not in defined and "*" not in defined]
    if missing:
        raise Problem(
            f"the entry script {str(path)!r} does not define {' and '.join(f'{m}()' for m in missing)}: a service "
            "needs init(), called once, and run(data), called for each request."
        )
    return path


def names_defined(tree: ast.Module) -> set[str]:
    """Return the names that a module binds at its top level, inside `if`, `try` and `with` too."""
    found: set[str] = set()
    blocks: list[ast.AST] = [tree]
    while blocks:
        for node in ast.iter_child_nodes(blocks.pop()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(
                    n.id
                    for t in targets
                    for n in ast.walk(t)
                    if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                )
            elif isinstance(node, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
                blocks.append(node)
    return found
