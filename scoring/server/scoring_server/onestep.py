"""A script that parses JSON to make an array of it does both in one step.

``np.array(json.loads(raw_data)["data"])`` is how most entry scripts begin, in one statement or in two. What is between,
lists of floats, costs more than all else, and nothing else ever sees it. So on import each such place in the script's
functions is put behind a question: whether `fasttable` can tell the array. Where it cannot, the script's own statements
run, as they are and on their own lines.
"""

from __future__ import annotations

import ast
import importlib.machinery
import json
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import fastarray, fastjson

if TYPE_CHECKING:
    from .fasttable import FastTable

_ASKED = "__one_step_{}__"  # a name of the module's: what is asked at a place
_ANSWER = "__one_step__"  # a name of its functions': what was answered
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Names(NamedTuple):
    """The script's names for `json` and numpy, and the key of the array."""

    json: str
    numpy: str
    key: str


class Place:
    """What is asked at one place of a script, whose globals are `namespace`."""

    def __init__(self, namespace: dict[str, Any], names: Names) -> None:
        self._namespace = namespace
        self._names = names
        self._table: FastTable | None = None

    def __call__(self, text: Any) -> list[Any]:
        """The array, in a list that nobody else has; an empty list where the script's own way is to be gone.

        That is so, too, where a name does not mean what it seems to, or the faster json or numpy is not in place.
        """
        json_name, numpy_name, key = self._names
        numpy = self._namespace.get(numpy_name)
        if (
            self._namespace.get(json_name) is not json
            or json.loads is not fastjson.loads
            or numpy is not sys.modules.get("numpy")
            or type(getattr(numpy, "array", None)) is not fastarray.FastArray
        ):
            return []
        if self._table is None:
            from .fasttable import FastTable

            self._table = FastTable(numpy)
        array = self._table.read(text, key)
        return [] if array is None else [array]

    def __reduce__(self) -> tuple[Callable[[], Callable[[Any], list[Any]]], tuple[()]]:
        """As functions of the script go to other processes by value, with the globals that they use."""
        return _ask_nothing, ()


def _ask_nothing() -> Callable[[Any], list[Any]]:
    """What is asked where the faster ones are not in place."""
    return _no_array


def _no_array(_text: Any) -> list[Any]:
    return []


class Loader(importlib.machinery.SourceFileLoader):
    """Imports a script with its places changed, or as ever where it has none."""

    def exec_module(self, module: ModuleType) -> None:
        source = self.get_data(self.path)
        tree = _parsed(source, self.path) if b".loads(" in source and b".array(" in source else None
        found = change(tree) if tree is not None and _has_simdjson() else []
        if tree is None or not found:
            super().exec_module(module)
            return
        namespace = vars(module)
        for number, names in enumerate(found):
            namespace[_ASKED.format(number)] = Place(namespace, names)
        exec(compile(tree, self.path, "exec", dont_inherit=True), namespace)  # noqa: S102 - what importing is


def _parsed(source: bytes, path: str) -> ast.Module | None:
    try:
        return ast.parse(source, path)
    except Exception:
        return None  # the import says why


def _has_simdjson() -> bool:
    """Whether simdjson is installed, which is not made for every Python."""
    try:
        import simdjson  # noqa: F401
    except ImportError:
        return False
    return True


def change(tree: ast.Module) -> list[Names]:
    """Change the places in the functions of a module; what they are about, in the order of their numbers."""
    found: list[Names] = []
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            _Changer(function, found).change(function)
    ast.fix_missing_locations(tree)
    return found


class _Changer(ast.NodeTransformer):
    """Changes the places in one function, but for what has names of its own in it."""

    def __init__(self, function: ast.FunctionDef, found: list[Names]) -> None:
        self._own = set(_own_names(function))
        self._shared = {
            name for node in ast.walk(function) if isinstance(node, (ast.Global, ast.Nonlocal)) for name in node.names
        }
        self._found = found

    def change(self, function: ast.FunctionDef) -> None:
        self._join_pairs(function)
        function.body = [self.visit(statement) for statement in function.body]

    # two statements

    def _join_pairs(self, parent: ast.AST) -> None:
        for _, value in ast.iter_fields(parent):
            if isinstance(value, list):
                for node in value:
                    if isinstance(node, _BLOCKS) and not isinstance(node, _NESTED):
                        self._join_pairs(node)
                if value and isinstance(value[0], ast.stmt):
                    value[:] = self._joined(value)

    def _joined(self, block: list[ast.stmt]) -> list[ast.stmt]:
        joined: list[ast.stmt] = []
        for statement in block:
            last = joined[-1] if joined else None
            question = self._pair(last, statement)
            if question is not None and isinstance(last, ast.Assign):
                taken = ast.Assign(last.targets, _taken())
                joined[-1] = ast.copy_location(ast.If(question, [taken], [last, statement]), last)
            else:
                joined.append(statement)
        return joined

    def _pair(self, first: ast.stmt | None, second: ast.stmt) -> ast.expr | None:
        """The question for ``x = json.loads(text)[key]`` and ``x = np.array(x)``; None where they are not that."""
        if not isinstance(first, ast.Assign) or not isinstance(second, ast.Assign):
            return None
        name = _target(first)
        if name is None or name in self._shared or name != _target(second):
            return None
        given = _only_argument(second.value, "array")
        if not isinstance(given, ast.Name) or given.id != name:
            return None
        return self._question(first.value, second.value)

    # one expression

    def visit_Call(self, node: ast.Call) -> ast.AST:
        given = _only_argument(node, "array")
        question = self._question(given, node) if given is not None else None
        if question is None:
            return self.generic_visit(node)
        return ast.copy_location(ast.IfExp(question, _taken(), node), node)

    def _leave(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave  # noqa: N815
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _leave  # noqa: N815

    # both

    def _question(self, loaded: ast.expr, array: ast.expr) -> ast.expr | None:
        """What to ask where `loaded` is ``json.loads(text)[key]`` and `array` makes an array; None where it is not."""
        if not isinstance(loaded, ast.Subscript) or not isinstance(loaded.slice, ast.Constant):
            return None
        text, key = _only_argument(loaded.value, "loads"), loaded.slice.value
        if not isinstance(text, ast.Name) or not isinstance(key, str) or "\0" in key:  # where simdjson's keys end
            return None
        names = Names(_owner(loaded.value), _owner(array), key)
        if names.json in self._own or names.numpy in self._own:
            return None
        asked = ast.Name(_ASKED.format(len(self._found)), ast.Load())
        self._found.append(names)
        call = ast.Call(asked, [ast.Name(text.id, ast.Load())], [])
        return ast.copy_location(ast.NamedExpr(ast.Name(_ANSWER, ast.Store()), call), loaded)


def _own_names(function: ast.FunctionDef) -> Iterator[str]:
    """The names that are not a module's in all of a function, and perhaps some more."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, (*_NESTED, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def _target(statement: ast.Assign) -> str | None:
    """The name that a statement assigns to, if that is all that it assigns to."""
    target = statement.targets[0]
    return target.id if len(statement.targets) == 1 and isinstance(target, ast.Name) else None


def _only_argument(node: ast.expr, method: str) -> ast.expr | None:
    """What is given to ``name.method(...)``; None for any other expression, and for more arguments."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and isinstance(node.func.value, ast.Name)
        and len(node.args) == 1
        and not isinstance(node.args[0], ast.Starred)
        and not node.keywords
    ):
        return node.args[0]
    return None


def _owner(call: ast.expr) -> str:
    """The name before the dot of what `_only_argument` has found."""
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Attribute)
    assert isinstance(call.func.value, ast.Name)
    return call.func.value.id


def _taken() -> ast.expr:
    """The array out of the answer: a reference that is left would show, as to ``ndarray.resize``."""
    return ast.Call(ast.Attribute(ast.Name(_ANSWER, ast.Load()), "pop", ast.Load()), [], [])
