from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components import pickles
from components.inert_pickle import InertUnpickler

THIS = {"scikit-learn": sklearn.__version__}


def recorded_versions(path: Path) -> dict[str, str]:
    """What keys in a pickle record; what its layout needs besides is another test's."""
    limits = {library for library, _ in pickles.TRACES.values()}
    return {library: version for library, version in pickles.recorded_versions(path).items() if library not in limits}


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
COMPRESSIONS = [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)]


@pytest.fixture(scope="module")
def model() -> Any:
    generator = np.random.default_rng(0)
    data = generator.random((60, 8))
    labels = (data[:, 0] > 0.5).astype(int)
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(data, labels)


@pytest.fixture(scope="module")
def bundle(model: Any) -> dict[str, Any]:
    """A model among other things, that hold its library's version too: in the model it is a reference then."""
    return {
        "version": sklearn.__version__,
        "others": ["1.0", "2.0.0"],
        "large": np.arange(300_000, dtype=float),
        "objects": np.array([{}, "a", np.ones(3)], dtype=object),
        "texts": np.array(["abc", "d"]),
        "records": np.zeros(3, dtype="i4,f8"),
        "dates": np.zeros(3, dtype="M8[ns]"),
        "empty": np.zeros((0, 3)),
        "fortran": np.asfortranarray(np.ones((5, 4), dtype=np.float32)),
        "bytes": b"\x94" * 200_000,
        "text": "é" * 200_000,
        "buffer": bytearray(70_000),
        "model": model,
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", ["model", "bundle"])
def test_pickle(tmp_path: Path, request: pytest.FixtureRequest, what: str, protocol: int) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(pickle.dumps(request.getfixturevalue(what), protocol=protocol))
    assert recorded_versions(path) == THIS


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("what", ["model", "bundle"])
def test_joblib(tmp_path: Path, request: pytest.FixtureRequest, what: str, compress: Any) -> None:
    joblib.dump(request.getfixturevalue(what), tmp_path / "model.joblib", compress=compress)
    assert recorded_versions(tmp_path / "model.joblib") == THIS


@pytest.mark.parametrize("pad", range(0, 120, 7))
def test_a_record_across_the_ends_of_what_is_read_at_once(tmp_path: Path, pad: int) -> None:
    estimator = pickle.dumps(LogisticRegression())
    before = (1 << 20) - estimator.index(b"_sklearn_version") - pad
    (tmp_path / "m.pkl").write_bytes(b"\0" * before + estimator)
    assert recorded_versions(tmp_path / "m.pkl") == THIS


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickle_of_python_2(tmp_path: Path, protocol: int) -> None:
    # As Python 2 wrote it: texts by S, in protocol 2 by U.
    key, version = b"_sklearn_version", b"0.20.4"
    if protocol == 0:
        state = b"S'" + key + b"'\np3\nS'" + version + b"'\np4\ns"
    else:
        state = b"U\x10" + key + b"q\x03U\x06" + version + b"q\x04s"
    (tmp_path / "m.pkl").write_bytes(b"(dp0\n" + state + b".")
    assert recorded_versions(tmp_path / "m.pkl") == {"scikit-learn": "0.20.4"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip",
        pickle.dumps({"a": np.ones(3)}),
        pickle.dumps("_sklearn_version"),
        pickle.dumps({"_sklearn_version": 3}),
        b"_sklearn_version\x94\x8c\xff1.7",
        gzip.compress(b"nothing", mtime=0),
        gzip.compress(b"cut" * 1000, mtime=0)[:-20],
        b"\x1f\x8bbroken",
        b"BZhbroken",
        b"\x78\x9cbroken",
        zlib.compress(b"cut" * 1000)[:-9],
        b"\xfd7zXZ\x00broken",
        b"\x04\x22\x4d\x18broken",
    ],
)
def test_nothing_recorded(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pkl").write_bytes(content)
    assert recorded_versions(tmp_path / "m.pkl") == {}


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_large_and_compressible(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = compress(b"\0" * 20_000_000 + pickle.dumps(LogisticRegression()))
    assert len(data) < 100_000
    (tmp_path / "m.pkl").write_bytes(data)
    assert recorded_versions(tmp_path / "m.pkl") == THIS


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "trap",)

    version = "".join(["9.", "9"])
    trapped = {"version": version, "trap": Trap(), "state": {"_sklearn_version": version}}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(trapped))
    recorded_versions(tmp_path / "m.pkl")
    assert not (tmp_path / "trap").exists()
    pickle.loads((tmp_path / "m.pkl").read_bytes())
    assert (tmp_path / "trap").exists()  # so it would have


def test_folder(tmp_path: Path, model: Any) -> None:
    (tmp_path / "sub").mkdir()
    assert recorded_versions(tmp_path) == {}
    joblib.dump(model, tmp_path / "sub" / "a.joblib.gz")
    (tmp_path / "notes.bin").write_bytes(pickle.dumps(model).replace(sklearn.__version__.encode(), b"0.0.1"))
    assert recorded_versions(tmp_path) == THIS
    version = sklearn.__version__.encode()
    (tmp_path / "b.pickle").write_bytes(pickle.dumps(model).replace(version, b"0" + version[1:]))
    assert recorded_versions(tmp_path) == {"scikit-learn": f"0{sklearn.__version__[1:]}, {sklearn.__version__}"}


class State:
    """An object whose class asks for every way of making one that pickle has."""

    def __init__(self) -> None:
        self._sklearn_version = "1.0"
        self.values = [Path("x"), {1, 2}, frozenset({3}), range(3), complex(1, 2), len, slice(1)]

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        return (), {"keyword": 1}

    def __new__(cls, *_: object, **__: object) -> State:
        return super().__new__(cls)


@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_every_way_of_making_objects_is_followed(protocol: int) -> None:
    file = io.BytesIO(pickle.dumps([State(), OrderedDict(a=State()), deque([1])], protocol) + b"rest")
    unpickler = InertUnpickler(file, frozenset({"_sklearn_version"}))
    unpickler.load()
    assert unpickler.found == {"_sklearn_version": "1.0"}
    assert file.read() == b"rest"


def test_objects_by_the_oldest_opcodes() -> None:
    stream = b"(i__main__\nOld\n(dS'_sklearn_version'\nS'1.0'\nsb0(c__main__\nOld\nI1\no."
    unpickler = InertUnpickler(io.BytesIO(stream), frozenset({"_sklearn_version"}))
    unpickler.load()
    assert unpickler.found == {"_sklearn_version": "1.0"}
