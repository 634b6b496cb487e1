"""A script that parses JSON to make an array of it does both in one step.

``np.array(json.loads(raw_data)["data"])`` is how most entry scripts begin, in one statement or in two. What is between,
lists of floats, costs more than all else, and nothing else ever sees it. So on import each such place in the script's
functions is put behind a question: whether `fasttable` can tell the array. Where it cannot, the script's own statements
run, as they are and on their own lines.

The script's module has a name more for each place, which is all that there is to see of it.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import json
import sys
import warnings
from collections.abc import Iterator
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import fastarray, fastjson

if TYPE_CHECKING:
    from .fasttable import FastTable

_ASKED = "__one_step_{}__"
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_TYPE_PARAMETERS = tuple(getattr(ast, name) for name in ("TypeVar", "ParamSpec", "TypeVarTuple") if hasattr(ast, name))
_NAMING = (*_NESTED, *_TYPE_PARAMETERS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


class Names(NamedTuple):
    """The script's names for `json` and numpy, and the key of the array."""

    json: str
    numpy: str
    key: str


class Place:
    """What is asked at one place of a script, whose globals are `namespace`."""

    def __init__(self, namespace: dict[str, Any], names: Names, table: FastTable) -> None:
        self._namespace = namespace
        self._names = names
        self._table = table

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
        array = self._table.read(numpy, text, key)
        return [] if array is None else [array]

    def __reduce__(self) -> tuple[Any, ...]:
        """As functions of the script go to other processes by value, and their globals with them: no array, there.

        That is ``dict.fromkeys((), text)``, so that a process without this package can have it.
        """
        return functools.partial, (dict.fromkeys, ())


def loader(name: str, path: str) -> Loader | None:
    """What imports the script at `path` with its places changed; None where it is to be imported as ever.

    To be called before the script's folder is searched for modules: it may hold some of any name.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
        if b".loads(" not in source or b".array(" not in source:
            return None
        from .fasttable import FastTable
    except (OSError, ImportError):  # simdjson is not made for every Python
        return None
    return Loader(name, path, FastTable)


class Loader(importlib.machinery.SourceFileLoader):
    """Imports a script with its places changed, or as ever where it has none. Its compiled file stays the plain one."""

    def __init__(self, name: str, path: str, table: type[FastTable]) -> None:
        super().__init__(name, path)
        self._new_table = table

    def get_code(self, fullname: str) -> CodeType | None:
        try:
            changed = _compile(self.get_data(self.path), self.path)
        except Exception:
            changed = None  # what is wrong with it, or only too deeply nested for this, shows in the plain import
        module = sys.modules.get(fullname)
        if changed is None or module is None:
            return super().get_code(fullname)
        code, found = changed
        namespace = vars(module)
        for number, names in enumerate(found):
            namespace[_ASKED.format(number)] = Place(namespace, names, self._new_table())
        return code


def _compile(source: bytes, path: str) -> tuple[CodeType, list[Names]] | None:
    """The code of a changed module and what its places are about; None where it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they come with the plain import, or below
        tree = ast.parse(source, path)
        found = change(tree)
        code = compile(tree, path, "exec", dont_inherit=True) if found else None
    if code is None:
        return None
    compile(source, path, "exec", dont_inherit=True)
    return code, found


def change(tree: ast.Module) -> list[Names]:
    """Change the places in the functions of a module; what they are about, in the order of their numbers."""
    found: list[Names] = []
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            _Changer(function, found).change(function)
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
                # No list is left that has the array: a second reference would show, as to ``ndarray.resize``.
                loop = ast.For(last.targets[0], question, [ast.Break()], [last, statement])
                joined[-1] = ast.fix_missing_locations(ast.copy_location(loop, last))
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
        array = _call_of(second.value, "array")
        if array is None or not isinstance(array.given, ast.Name) or array.given.id != name:
            return None
        return self._question(first.value, array.owner)

    # one expression

    def visit_Call(self, node: ast.Call) -> ast.AST:
        array = _call_of(node, "array")
        question = self._question(array.given, array.owner) if array is not None else None
        if question is None:
            return self.generic_visit(node)
        either = ast.BoolOp(ast.Or(), [question, ast.List([node], ast.Load())])
        taken = ast.Call(ast.Attribute(either, "pop", ast.Load()), [], [])
        return ast.fix_missing_locations(ast.copy_location(taken, node))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def _leave(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave  # noqa: N815

    # both

    def _question(self, loaded: ast.expr, numpy: str) -> ast.expr | None:
        """What to ask where `loaded` is ``json.loads(text)[key]``, of which `numpy` makes an array; else None."""
        if not isinstance(loaded, ast.Subscript) or not isinstance(loaded.slice, ast.Constant):
            return None
        loads, key = _call_of(loaded.value, "loads"), loaded.slice.value
        if loads is None or not isinstance(loads.given, ast.Name) or not isinstance(key, str):
            return None
        text, names = loads.given, Names(loads.owner, numpy, key)
        if names.json in self._own or names.numpy in self._own:
            return None
        asked = ast.copy_location(ast.Name(_ASKED.format(len(self._found)), ast.Load()), loaded)
        self._found.append(names)
        given = ast.copy_location(ast.Name(text.id, ast.Load()), text)
        return ast.copy_location(ast.Call(asked, [given], []), loaded)


def _own_names(function: ast.FunctionDef) -> Iterator[str]:
    """The names that are not a module's in all of a function, and perhaps some more."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, _NAMING) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def _target(statement: ast.Assign) -> str | None:
    """The name that a statement assigns to, if that is all that it assigns to."""
    target = statement.targets[0]
    return target.id if len(statement.targets) == 1 and isinstance(target, ast.Name) else None


class _Call(NamedTuple):
    """A call of ``owner.method(given)``."""

    owner: str
    given: ast.expr


def _call_of(node: ast.expr, method: str) -> _Call | None:
    """What is called where a method of that name is, by a plain name and with one argument; None where it is not."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and isinstance(node.func.value, ast.Name)
        and len(node.args) == 1
        and not isinstance(node.args[0], ast.Starred)
        and not node.keywords
    ):
        return _Call(node.func.value.id, node.args[0])
    return None
