"""What conda calls its packages, and what the Python package index does. Names are normalised as in PEP 503."""

from __future__ import annotations

import re
from collections.abc import Mapping

PYPI_NAMES: Mapping[str, str] = {
    "antlr-python-runtime": "antlr4-python3-runtime",
    "brotli-python": "brotli",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "keras-base": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "opencv": "opencv-python-headless",
    "psycopg2": "psycopg2-binary",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyarrow-core": "pyarrow",
    "pyqt": "pyqt5",
    "pytables": "tables",
    "python-fastjsonschema": "fastjsonschema",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-kubernetes": "kubernetes",
    "python-lmdb": "lmdb",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ray-core": "ray",
    "ray-default": "ray",
    "redis-py": "redis",
    "ruamel-yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "torchvision-cpu": "torchvision",
}
"""Packages that are named otherwise; a conda name that is in none of these tables is looked for under its own."""

BUILT_IN = frozenset(
    {
        "azureml-contrib-services",
        "azureml-core",
        "azureml-defaults",
        "azureml-inference-server-http",
        "azureml-model-management-sdk",
        "azureml-sdk",
    }
)
"""Packages whose part in a scoring image is Azure's server and the names that scripts import; the image has its own."""

_BUNDLED = """
    ca-certificates conda ncurses openssl python-abi python-abi3 readline sqlite tk tzdata

    blas blas-devel blosc bzip2 c-ares c-blosc c-blosc2 cairo cyrus-sqlite dbus double-conversion expat fontconfig
    freetype giflib glib gmp harfbuzz hdf5 icu intel-openmp jpeg krb5 lame lcms2 lerc libabseil libaec libarrow libblas
    libbrotlicommon libbrotlidec libbrotlienc libcblas libcurl libcxx libdeflate libedit libev libevent libexpat libffi
    libgcc libgcc-ng libgfortran libgfortran-ng libgfortran5 libglib libgomp libgrpc libhwloc libiconv libjpeg-turbo
    liblapack liblapacke libllvm11 libllvm14 libllvm15 libnghttp2 libnsl libopenblas libparquet libpng libprotobuf
    libsodium libsqlite libssh2 libstdcxx libstdcxx-ng libtiff libutf8proc libuuid libwebp libwebp-base libxcb libxcrypt
    libxgboost libxml2 libzlib llvm-openmp lz4-c mkl mkl-devel mkl-fft mkl-include mkl-random mpc mpfr nomkl nspr nss
    openblas openjpeg pcre pcre2 pixman pthread-stubs re2 tbb utf8proc xz yaml zeromq zlib zlib-ng zstd
"""
BUNDLED = frozenset(_BUNDLED.split())
"""What the base image has beside its Python, and native libraries that the wheels which need them carry themselves."""

BUNDLED_PATTERN = re.compile(r".*-(mutex|linux-64|linux-aarch64)|xorg-.*")
"""More of the same: conda's markers of a platform or a choice of library, and X11 libraries."""

BUILD_CHOICES = frozenset({"cpuonly", "pytorch-cuda", "pytorch-mutex"})
"""Packages that hold nothing and choose a build of PyTorch."""

_NATIVE = """
    bazel binutils boost boost-cpp c-compiler clang clangxx compilers cudatoolkit cudnn curl cxx-compiler eigen ffmpeg
    fortran-compiler gcc geos gfortran git git-lfs go graphviz gxx imagemagick jq julia libsndfile make maven nccl nginx
    nodejs openjdk openmpi perl pkg-config poppler portaudio postgresql proj r r-base redis rsync ruby rust snappy sox
    tesseract unixodbc unzip wget xxhash
"""
NATIVE = frozenset(_NATIVE.split())
"""Programs and native libraries; some of the names are those of other projects on the Python package index."""


def is_bundled(name: str) -> bool:
    """Whether the base image or the wheels already hold what a conda package brings."""
    return name in BUNDLED or BUNDLED_PATTERN.fullmatch(name) is not None


def is_native(name: str) -> bool:
    """Whether a conda package is no Python package; names with ``r-`` are those of R."""
    return name in NATIVE or name.startswith("r-")
