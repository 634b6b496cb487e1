"""Scripts that parse JSON to make an array of it: what is changed on import, and that nobody can tell."""

from __future__ import annotations

import ast
import importlib.util
import json
import linecache
import pickle
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy
import pytest
from scoring_server import fastarray, fastjson, fasttable, onestep

from .arrays import numpy_untouched, outcome
from .process import app_root, running

TABLE = json.dumps({"data": [[row + column / 7 for column in range(100)] for row in range(3)]})
ONE = "return np.array(json.loads(raw)['data'])"
TWO = "data = json.loads(raw)['data']\n    data = np.array(data)\n    return data"
EACH = "return [np.array(json.loads(each)['data']) for each in [raw]][0]"
HEAD = "import json\nimport numpy as np\n"


def script(body: str, *, head: str = HEAD, parameters: str = "raw") -> str:
    return f"{head}\ndef run({parameters}):\n    {body}\n"


@pytest.mark.parametrize(
    "source",
    [
        script(ONE),
        script(TWO),
        script("x = 1\n    " + TWO),
        script(f"try:\n        {ONE}\n    except ValueError as error:\n        return str(error)"),
        script(f"try:\n        {TWO.replace('    ', '        ')}\n    finally:\n        pass"),
        script(f"if raw:\n        {ONE}\n    else:\n        return None"),
        script(f"match raw:\n        case _:\n            {ONE}"),
        script(f"with open('/dev/null'):\n        {ONE}"),
        script("return f\"{np.array(json.loads(raw)['data']).sum()}\""),
        script("raw = json.loads(raw)['data']\n    raw = np.array(raw)\n    return raw"),
        script("return [np.array(json.loads(raw)['data']) for raw in raw]"),
        script("return list(np.array(json.loads(each)['data']) for each in raw if each)"),
        script("return {each: np.array(json.loads(each)['data']) for each in raw}"),
        script(ONE.replace("json", "j"), head="import json as j\nimport numpy as np\n"),
        script(ONE.replace("np", "numpy"), head="import json, numpy\n"),
        f"{HEAD}def read(raw):\n    {ONE}\n\ndef run(raw):\n    return read(raw)\n",
    ],
)
def test_places_are_found(source: str) -> None:
    assert len(onestep.change(ast.parse(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        script("return np.array(json.loads(raw))"),
        script("return np.array(json.loads(raw)[0])"),
        script("return np.array(json.loads(raw)['data'], dtype=float)"),
        script("return np.array(json.loads(raw)['data'], float)"),
        script("return np.array(json.loads(raw, parse_float=str)['data'])"),
        script("return np.array(*json.loads(raw)['data'])"),
        script("return np.array(json.loads(raw.read())['data'])"),
        script("return np.array(json.loads(raw)['data']['more'])"),
        script("return np.asarray(json.loads(raw)['data'])"),
        script("return (lambda raw: np.array(json.loads(raw)['data']))(raw)"),
        script(f"def inner(raw):\n        {ONE}\n    return inner(raw)"),
        script(f"class Inner:\n        data = {ONE[7:]}\n    return Inner.data"),
        # names that are not the module's
        script(f"import numpy as np\n    {ONE}"),
        script(f"from mine import json\n    {ONE}"),
        script(f"np = None\n    {ONE}"),
        script("return [np.array(json.loads(raw)['data']) for np in raw]"),
        script("return [np.array(json.loads(each)['data']) for each in raw if (json := each)]"),
        script(ONE, parameters="raw, np=None"),
        script(f"global np\n    np = None\n    {ONE}"),
        # two statements that are not about one name that ends there
        script("data = json.loads(raw)['data']\n    array = np.array(data)\n    return array"),
        script("data = json.loads(raw)['data']\n    data = np.array(raw)\n    return data"),
        script("data = more = json.loads(raw)['data']\n    data = np.array(data)\n    return data"),
        script("data = json.loads(raw)['data']\n    print(data)\n    data = np.array(data)\n    return data"),
        script(f"global data\n    {TWO}"),
        script("data.x = json.loads(raw)['data']\n    data.x = np.array(data.x)\n    return data"),
        # outside of functions
        f"{HEAD}raw = '{{}}'\n{ONE[7:]}\n",
        f"{HEAD}class Model:\n    def run(self, raw):\n        {ONE}\n",
        "",
    ],
)
def test_all_else_stays(source: str) -> None:
    tree = ast.parse(source)
    assert onestep.change(tree) == []
    assert ast.dump(tree) == ast.dump(ast.parse(source))


@pytest.fixture
def _in_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The faster json and numpy.array in their places."""
    monkeypatch.setattr(json, "loads", json.loads)
    with numpy_untouched():
        fastjson.install()
        fastarray.install()
        yield


def loaded(tmp_path: Path, source: str) -> ModuleType:
    path = tmp_path / "score.py"
    path.write_text(source)
    name = "one_step_script"
    spec = importlib.util.spec_from_file_location(name, path, loader=onestep.loader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


def plainly(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(compile(source, "plain.py", "exec"), namespace)
    return namespace


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts from which an array was made in one step."""
    found: list[str] = []
    own = fasttable.FastTable.read

    def note(self: fasttable.FastTable, module: Any, text: Any, key: str) -> Any:
        array = own(self, module, text, key)
        if array is not None:
            found.append(text)
        return array

    monkeypatch.setattr(fasttable.FastTable, "read", note)
    return found


@pytest.mark.parametrize("body", [ONE, TWO, EACH])
@pytest.mark.usefixtures("_in_place")
def test_a_table_takes_one_step(tmp_path: Path, read: list[str], body: str) -> None:
    module = loaded(tmp_path, script(body))
    assert outcome(module.run, TABLE) == outcome(plainly(script(body))["run"], TABLE)
    assert read == [TABLE]


@pytest.mark.parametrize("body", [ONE, TWO, EACH])
@pytest.mark.parametrize(
    "text", ['{"data": [1.5]}', '{"data": "a"}', "{}", "[", TABLE[:-1], TABLE.replace("data", "other"), "[1]", None, 7]
)
@pytest.mark.usefixtures("_in_place")
def test_all_else_goes_the_scripts_way(tmp_path: Path, read: list[str], body: str, text: Any) -> None:
    module = loaded(tmp_path, script(body))
    assert outcome(module.run, text) == outcome(plainly(script(body))["run"], text)
    assert read == []


@pytest.mark.parametrize(("body", "line"), [(ONE, 5), (TWO, 5)])
@pytest.mark.usefixtures("_in_place")
def test_errors_are_on_the_scripts_own_lines(tmp_path: Path, body: str, line: int) -> None:
    module = loaded(tmp_path, script(body))
    linecache.clearcache()
    with pytest.raises(json.JSONDecodeError) as caught:
        module.run("[")
    frame = next(frame for frame in traceback.extract_tb(caught.tb) if frame.filename == str(tmp_path / "score.py"))
    assert (frame.name, frame.lineno, frame.line) == ("run", line, body.splitlines()[0])


@pytest.mark.parametrize("body", [TWO, ONE.replace("return", "data =") + "\n    return data"])
@pytest.mark.usefixtures("_in_place")
def test_no_reference_to_the_array_is_left(tmp_path: Path, read: list[str], body: str) -> None:
    body = body.replace("return data", "data.resize((2, 2))\n    return data.shape")
    assert loaded(tmp_path, script(body)).run(TABLE) == (2, 2)
    assert read == [TABLE]


@pytest.mark.usefixtures("_in_place")
def test_a_function_goes_to_other_processes_by_value(tmp_path: Path, read: list[str]) -> None:
    module = loaded(tmp_path, script(ONE))
    pickled = pickle.dumps(vars(module)["__one_step_0__"])
    assert b"scoring_server" not in pickled
    sent = pickle.loads(pickled)
    elsewhere = FunctionType(module.run.__code__, {"np": numpy, "json": json, "__one_step_0__": sent})
    assert elsewhere(TABLE).shape == (3, 100)
    assert read == []


@pytest.mark.parametrize("body", [ONE.replace("return", "data ="), TWO.replace("return data", "")])
@pytest.mark.usefixtures("_in_place")
def test_a_function_has_no_names_more(tmp_path: Path, read: list[str], body: str) -> None:
    run = loaded(tmp_path, script(f"{body}\n    return sorted(locals())")).run
    assert (run(TABLE), len(read)) == (["data", "raw"], 1)


@pytest.mark.usefixtures("_in_place")
@pytest.mark.parametrize(
    "more",
    [
        "def sum_up(x):\n    return " + " + ".join(["x"] * 600),
        "def route(x):\n    if x == 0:\n        return 0\n"
        + "".join(f"    elif x == {number}:\n        return {number}\n" for number in range(1, 600)),
        "TOTAL = " + " + ".join(["1"] * 1200),
    ],
)
def test_a_script_too_deep_for_this_is_imported_as_ever(tmp_path: Path, read: list[str], more: str) -> None:
    module = loaded(tmp_path, f"{script(ONE)}\n{more}\n")
    assert module.run(TABLE).shape == (3, 100)
    assert read == []


@pytest.mark.parametrize(("body", "changed"), [(ONE, True), ("return np.array(json.loads(raw))", False)])
@pytest.mark.usefixtures("_in_place")
def test_warnings_come_once(tmp_path: Path, body: str, changed: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = loaded(tmp_path, script(f"'\\d'\n    assert (raw, 'always')\n    {body}"))
    assert ("__one_step_0__" in vars(module)) == changed
    messages = [str(warning.message).split(",")[0] for warning in caught]
    assert len(messages) == len(set(messages)) == 2


@pytest.mark.usefixtures("_in_place")
def test_an_annotation_stays(tmp_path: Path) -> None:
    module = loaded(
        tmp_path, script(f"x: {ONE[7:]} = 1\n    return x", head=f"from __future__ import annotations\n{HEAD}")
    )
    assert module.run("") == 1


class _Numpy:
    """Takes numpy's place in a script."""

    @staticmethod
    def array(value: Any) -> str:
        return f"mine of {len(value)}"


class _Json:
    """Takes json's place in a script."""

    @staticmethod
    def loads(_text: str) -> Any:
        return {"data": [1]}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("np", _Numpy, "mine of 3"), ("json", _Json, numpy.array([1]))],
)
@pytest.mark.usefixtures("_in_place")
def test_other_things_of_these_names_are_asked_themselves(
    tmp_path: Path, read: list[str], name: str, value: Any, expected: Any
) -> None:
    module = loaded(tmp_path, script(ONE))
    setattr(module, name, value)
    assert numpy.array_equal(module.run(TABLE), expected)
    assert read == []


@pytest.mark.parametrize("owner", ["json", "numpy"])
@pytest.mark.usefixtures("_in_place")
def test_what_a_script_puts_into_their_place_is_used(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    module = loaded(tmp_path, script(ONE))
    with monkeypatch.context() as own:
        if owner == "json":
            own.setattr(json, "loads", lambda _text: {"data": [7.5]})
        else:
            own.setattr(numpy, "array", lambda _value: numpy.full(1, 7.5))
        assert module.run(TABLE).tolist() == [7.5]
    assert read == []


def test_without_the_faster_ones_nothing_is_read(tmp_path: Path, read: list[str]) -> None:
    module = loaded(tmp_path, script(ONE))
    assert module.run(TABLE).shape == (3, 100)
    assert read == []


@pytest.mark.usefixtures("_in_place")
def test_without_simdjson_a_script_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "csimdjson", None)
    monkeypatch.delitem(sys.modules, "scoring_server.fasttable")
    monkeypatch.delattr("scoring_server.fasttable")
    module = loaded(tmp_path, script(ONE))
    assert not [name for name in vars(module) if "one_step" in name]
    assert module.run(TABLE).shape == (3, 100)


@pytest.mark.parametrize("source", ["def run(raw:\n    x.loads(raw), y.array(1)\n", "x.loads(\0), y.array(1)"])
def test_a_script_that_is_no_python_fails_as_ever(tmp_path: Path, source: str) -> None:
    with pytest.raises((SyntaxError, ValueError)) as caught:
        loaded(tmp_path, source)
    if isinstance(caught.value, SyntaxError) and "\0" not in source:
        assert caught.value.filename == str(tmp_path / "score.py")


def test_the_file_of_a_changed_script_is_not_compiled_for_others(tmp_path: Path) -> None:
    loaded(tmp_path, script(ONE))
    code = "import score; print([name for name in vars(score) if 'one_step' in name])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


SERVED = """
import json
import numpy as np

def init():
    pass

def run(raw_data):
    data = np.array(json.loads(raw_data)["data"])
    return [data.sum(), str(data.dtype), "__one_step_0__" in globals()]
"""


@pytest.mark.parametrize(
    ("environ", "changed"),
    [({}, True), ({"SCORING_FAST_JSON": "false"}, False), ({"SCORING_FAST_ARRAYS": "false"}, False)],
)
def test_served(tmp_path: Path, environ: dict[str, str], changed: bool) -> None:
    """Also where a module of the script's has simdjson's name."""
    root = app_root(tmp_path)
    (root / "score.py").write_text(f"{SERVED}\nimport simdjson\nassert simdjson.OWN\n")
    (root / "simdjson.py").write_text("OWN = True\n")
    with running(root, "score.py", environ) as server:
        answer = server.request("POST", "/score", json.dumps({"data": [[0.5] * 500] * 4}))
        assert answer.json() == [1000.0, "float64", changed]
        answer = server.request("POST", "/score", json.dumps({"data": [[1] * 500] * 4}))
        assert answer.json() == [2000, "int64", changed]
        assert server.request("POST", "/score", json.dumps({"other": [[0.5] * 500]})).status == 500
        assert server.log.wait_for("KeyError: 'data'")
