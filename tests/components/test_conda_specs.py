from __future__ import annotations

import pytest

from components.conda_specs import parse
from components.problems import Problem


@pytest.mark.parametrize(
    ("text", "name", "specifier"),
    [
        ("numpy", "numpy", ""),
        ("  numpy  ", "numpy", ""),
        ("NumPy", "numpy", ""),
        ("typing_extensions", "typing-extensions", ""),
        ("numpy=1.26", "numpy", "==1.26.*"),
        ("numpy = 1.26", "numpy", "==1.26.*"),
        ("numpy=1.26.*", "numpy", "==1.26.*"),
        ("numpy=1.26*", "numpy", "==1.26.*"),
        ("numpy==1.26.4", "numpy", "==1.26.4"),
        ("numpy==1.26.*", "numpy", "==1.26.*"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy", "==1.26.4"),
        ("numpy==1.26.4=py311h64a7726_0", "numpy", "==1.26.4"),
        ("numpy 1.26.4", "numpy", "==1.26.4"),
        ("numpy 1.26.*", "numpy", "==1.26.*"),
        ("numpy 1.26.4 py311h64a7726_0", "numpy", "==1.26.4"),
        ("numpy>=1.26", "numpy", ">=1.26"),
        ("numpy >=1.26,<2", "numpy", "<2,>=1.26"),
        ("numpy >= 1.26 , < 2", "numpy", "<2,>=1.26"),
        ("numpy>=1.26.*", "numpy", ">=1.26"),
        ("numpy!=1.25", "numpy", "!=1.25"),
        ("numpy~=1.26", "numpy", "~=1.26"),
        ("numpy=*", "numpy", ""),
        ("numpy *", "numpy", ""),
        ('numpy[version=">=1.26,<2"]', "numpy", "<2,>=1.26"),
        ("numpy[version='1.26.*']", "numpy", "==1.26.*"),
        ("conda-forge::numpy=1.26", "numpy", "==1.26.*"),
        ("conda-forge/linux-64::numpy", "numpy", ""),
        ("python=3.11", "python", "==3.11.*"),
        ("_libgcc_mutex=0.1=conda_forge", "libgcc-mutex", "==0.1"),
    ],
)
def test_read(text: str, name: str, specifier: str) -> None:
    spec = parse(text)
    assert (spec.name, spec.specifier()) == (name, specifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "numpy=",
        "numpy=1.25|1.26",
        "numpy 1.25|1.26",
        "numpy>=1.25|<1.20",
        "numpy=>1.25",
        "numpy[build=py311_0]",
        "https://host/numpy-1.26.4-py311_0.tar.bz2",
        "numpy is great really",
        "numpy==one",
    ],
)
def test_without_counterpart(text: str) -> None:
    with pytest.raises(Problem, match=r"cannot read the conda package .*Allowed are"):
        parse(text).specifier()


def test_a_version_that_only_conda_knows_matters_only_when_asked_for() -> None:
    assert parse("openssl=1.1.1w-x=h7f8727e_0").name == "openssl"
