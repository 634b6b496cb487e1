"""Following a pickle's opcodes without importing or calling anything that it names."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Iterable
from typing import IO, Any, ClassVar

_LARGE = 1 << 16
# The state of joblib's NumpyArrayWrapper, whose class may be pickled in more than one way.
_ARRAY_KEYS = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap"})
_ITEM = re.compile(r"[<>|=]?(?P<kind>[A-Za-z])(?P<size>\d+)?")


class Inert:
    """Stands for every object, class and function of a pickle, and takes what unpickling puts into one."""

    def __init__(self, args: Any = ()) -> None:
        self.args = args

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    def extend(self, items: Iterable[object]) -> None:
        pass

    def add(self, item: object) -> None:
        pass


class InertUnpickler(pickle._Unpickler):
    """Finds the texts under some keys of pickled states; ``found`` holds the first of each.

    Nothing is looked up or called: all but plain values is ``Inert``. Large texts and byte strings are skipped, and so
    are the raw arrays that joblib writes after the state of a ``NumpyArrayWrapper``.
    """

    # As the standard library's own, which reads them in every load(); its stubs leave them out.
    stack: list[Any]
    append: Callable[[object], None]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: IO[bytes], keys: frozenset[str]) -> None:
        super().__init__(file)
        self.file = file
        self.keys = keys
        self.found: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ARG002
        return Inert()

    def persistent_load(self, pid: object) -> Any:  # noqa: ARG002
        return Inert()

    def _load_call(self) -> None:
        """Put an object with the arguments in the place of a callable and its arguments, which is not called."""
        args = self.stack.pop()
        self.stack[-1] = Inert(args)

    def _load_call_with_keywords(self) -> None:
        self.stack.pop()
        self._load_call()

    def _load_marked_call(self) -> None:
        # This puts another stack, and append, in place.
        args = self.pop_mark()
        self.append(Inert(args))

    def _load_named_call(self) -> None:
        self.readline(), self.readline()
        self._load_marked_call()

    def _load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(state, dict):
            return
        for key in self.keys & state.keys():
            if isinstance(state[key], str):
                self.found.setdefault(key, state[key])
        if state.keys() >= _ARRAY_KEYS:
            self._skip_array(state)

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Skip what joblib's ``NumpyArrayWrapper.write_array`` wrote: a pad, its length before it, and the elements."""
        match = _ITEM.match(state["dtype"].args[0])
        if match is None:
            raise pickle.UnpicklingError(f"unknown dtype {state['dtype'].args[0]!r}")
        if match["kind"] == "O":
            nested = InertUnpickler(self.file, self.keys)
            nested.load()
            self.found = nested.found | self.found
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._skip(self.file.read, self.file.read(1)[0])
        size = int(match["size"] or 1) * (4 if match["kind"] == "U" else 1)
        self._skip(self.file.read, size * math.prod(state["shape"]))

    def _skip(self, read: Callable[[int], bytes], length: int) -> None:
        while length > 0:
            data = read(min(length, _LARGE))
            if not data:
                raise EOFError
            length -= len(data)

    def _load_sized(self, size: int) -> None:
        """Load a text or bytes whose length stands in ``size`` bytes before it; nothing large is of interest."""
        length = int.from_bytes(self.read(size), "little")
        if length > _LARGE:
            self._skip(self.read, length)
            self.append("")
        else:
            self.append(self.read(length).decode("utf-8", "replace"))

    def _load_sized_4(self) -> None:
        self._load_sized(4)

    def _load_sized_8(self) -> None:
        self._load_sized(8)

    _own: ClassVar[Any] = {
        pickle.BUILD: _load_build,
        pickle.REDUCE: _load_call,
        pickle.NEWOBJ: _load_call,
        pickle.NEWOBJ_EX: _load_call_with_keywords,
        pickle.OBJ: _load_marked_call,
        pickle.INST: _load_named_call,
        pickle.BINUNICODE: _load_sized_4,
        pickle.BINBYTES: _load_sized_4,
        pickle.BINUNICODE8: _load_sized_8,
        pickle.BINBYTES8: _load_sized_8,
        pickle.BYTEARRAY8: _load_sized_8,
    }
    dispatch: ClassVar = {**pickle._Unpickler.dispatch, **{opcode[0]: load for opcode, load in _own.items()}}
