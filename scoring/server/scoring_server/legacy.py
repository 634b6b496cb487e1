"""``sklearn.externals.joblib``, gone since scikit-learn 0.23 and imported by nearly every script of the time before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_PARENT = "sklearn.externals"
_ALIAS = f"{_PARENT}.joblib"


class _JoblibLoader(Loader):
    """Gives the package ``joblib`` itself, so that ``joblib.load`` and its classes are the same under both names."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.name.replace(_ALIAS, "joblib", 1))
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the alias' there


class _ParentLoader(Loader):
    """An empty package ``sklearn.externals`` for versions without any."""

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []


class JoblibFinder(MetaPathFinder):
    """Finds the old name; asked last, so that a scikit-learn that still has the module keeps its own."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _ALIAS:
            return ModuleSpec(fullname, _JoblibLoader(), is_package=True)
        if fullname == _PARENT:
            return ModuleSpec(fullname, _ParentLoader(), is_package=True)
        return None


class SubmoduleFinder(MetaPathFinder):
    """Finds modules below the old name, as old pickles hold them; asked first, lest they are loaded a second time."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{_ALIAS}.") and sys.modules[_ALIAS].__name__ == "joblib":
            return ModuleSpec(fullname, _JoblibLoader())
        return None


def install() -> None:
    """Have the import system know the old name."""
    if not any(isinstance(finder, JoblibFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, SubmoduleFinder())
        sys.meta_path.append(JoblibFinder())
