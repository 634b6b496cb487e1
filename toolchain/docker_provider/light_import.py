"""A quick start: the generated modules of Pulumi's gRPC protocol, without the rest of the SDK.

`import pulumi` takes about 0.5 s and a plugin starts several times in each `pulumi up`. The protocol's modules need
nothing of it, so in the plugin's own process the packages above them are entered as mere folders. Where `pulumi` is
imported already, as in tests, nothing is changed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def import_lightly() -> bool:
    """Enter `pulumi`, `pulumi.runtime` and `pulumi.runtime.proto` as folders; tells whether that was done."""
    spec = importlib.util.find_spec("pulumi") if "pulumi" not in sys.modules else None
    if spec is None or not spec.submodule_search_locations:
        return False
    root = Path(next(iter(spec.submodule_search_locations)))
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        folder = root.joinpath(*name.split(".")[1:])
        if not folder.is_dir():
            return False
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    return True


def import_fully() -> None:
    """Undo `import_lightly`, for an SDK whose protocol modules do need the rest."""
    for name in [n for n in sys.modules if n == "pulumi" or n.startswith("pulumi.")]:
        del sys.modules[name]
