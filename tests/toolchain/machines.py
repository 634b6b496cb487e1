"""A machine whose answers a test chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.layout import Layout
from toolchain.machine import Machine
from toolchain.step import Unavailable


@dataclass(frozen=True)
class ChosenMachine(Machine):
    """Answers from tables in place of the real machine."""

    environ: Mapping[str, str] = field(default_factory=lambda: {"HOME": "/home/user"})
    layout: Layout = field(default_factory=lambda: Layout(Path("/project"), Path("/cache")))
    programs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    root: bool = False
    online: bool = False

    def which(self, name: str) -> Path | None:
        return Path(self.programs[name]) if name in self.programs else None

    def is_root(self) -> bool:
        return self.root

    def architecture(self) -> str:
        return "amd64"

    def system(self) -> str:
        return "linux"

    def exists(self, path: Path) -> bool:
        return str(path) in self.files

    def output(self, command: Sequence[str | Path], timeout: float = 20.0) -> str:
        words = " ".join(map(str, command))
        if words not in self.outputs:
            raise Unavailable(f"{words} failed")
        return self.outputs[words]

    def reachable(self, url: str) -> str:
        return "" if self.online else f"{url} cannot be reached"
