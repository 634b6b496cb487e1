from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from components import conda_names


def test_a_name_has_one_meaning() -> None:
    tables = [
        set(conda_names.PYPI_NAMES),
        conda_names.BUILT_IN,
        conda_names.BUNDLED,
        conda_names.BUILD_CHOICES,
        conda_names.NATIVE,
    ]
    assert sum(map(len, tables)) == len(set().union(*tables))


def test_names_are_normalised() -> None:
    for table in (conda_names.PYPI_NAMES, conda_names.BUILT_IN, conda_names.BUNDLED, conda_names.NATIVE):
        assert {name for name in table if canonicalize_name(name) != name} == set()


@pytest.mark.parametrize(
    ("name", "bundled", "native"),
    [
        ("libgcc-ng", True, False),
        ("nomkl", True, False),
        ("libgcc-mutex", True, False),
        ("ld-impl-linux-64", True, False),
        ("xorg-libx11", True, False),
        ("r-base", False, True),
        ("r-ggplot2", False, True),
        ("ffmpeg", False, True),
        ("numpy", False, False),
        ("requests", False, False),
        ("librosa", False, False),
    ],
)
def test_kinds(name: str, bundled: bool, native: bool) -> None:
    assert (conda_names.is_bundled(name), conda_names.is_native(name)) == (bundled, native)
