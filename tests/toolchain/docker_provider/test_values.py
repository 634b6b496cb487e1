import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.docker_provider.values import UNKNOWN, from_struct, has_unknown, secret, to_struct

plain = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
)


@given(st.dictionaries(st.text(min_size=1), plain))
def test_values_survive_the_wire(properties):
    assert from_struct(to_struct(properties)) == properties


def test_none_is_left_out_and_secrets_are_unwrapped():
    assert from_struct(to_struct({"a": None, "b": secret(["x"]), "c": {"d": secret(1)}})) == {"b": ["x"], "c": {"d": 1}}


@pytest.mark.parametrize(
    ("value", "unknown"),
    [(UNKNOWN, True), ([1, UNKNOWN], True), ({"a": {"b": [UNKNOWN]}}, True), ({"a": [1, "x"]}, False), (None, False)],
)
def test_finds_unknowns_anywhere(value, unknown):
    assert has_unknown(value) is unknown
