"""Keys: which are there, which are strong enough, and no message that shows one."""

import re
from typing import Any

import pytest

from components import access_keys
from components.problems import Problem

KEY, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def test_new_keys_are_random_and_strong() -> None:
    made = {access_keys.new_key() for _ in range(100)}
    assert len(made) == 100
    for key in made:
        access_keys.check_strength("primaryKey", key)
        assert re.fullmatch("[0-9a-f]{64}", key)


def test_both_keys_are_lines_of_the_servers_file() -> None:
    assert access_keys.file_of(KEY, OTHER) == f"{KEY}\n{OTHER}\n"


@pytest.mark.parametrize("key", [KEY, "Ab3-._~+/Ab3-._~+/Ab3-._~+/Ab3-._~+/==", "x2" + OTHER])
def test_random_tokens_are_taken(key: str) -> None:
    access_keys.check_strength("primaryKey", key)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "secondaryKey has 0 characters, 32 or more are needed: make one with: openssl rand -hex 32"),
        (KEY[:31], "secondaryKey has 31 characters, 32 or more"),
        (None, "secondaryKey has 0 characters"),
        (KEY + " ", "characters that no Authorization header can carry"),
        (KEY + "\nmore", "characters that no Authorization header"),
        (KEY + "ß", "characters that no Authorization header"),
        (KEY + "=a", "characters that no Authorization header"),
        ("a" * 64, "easily guessed, with 1 different characters"),
        ("1234567" * 9, "easily guessed, with 7 different characters"),
    ],
)
def test_weak_keys_are_refused_and_not_shown(key: Any, said: str) -> None:
    with pytest.raises(Problem, match=said) as error:
        access_keys.file_of(KEY, key)
    assert not key or key not in str(error.value)


def test_two_keys_are_two() -> None:
    with pytest.raises(Problem, match="primaryKey and secondaryKey are the same") as error:
        access_keys.file_of(KEY, KEY)
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["primaryKey", "secondaryKey"]),
        ({"primary": KEY}, ["secondaryKey"]),
        ({"primary": "", "secondary": KEY}, ["primaryKey"]),
    ],
)
def test_missing_keys_are_told_with_the_command_that_sets_each(given: dict[str, str], missing: list[str]) -> None:
    with pytest.raises(Problem) as error:
        access_keys.check_given(True, given, "prod")
    first, *commands = str(error.value).splitlines()
    assert first == f"authEnabled needs {' and '.join(missing)}. Make and keep as secrets:"
    assert commands == [f"  openssl rand -hex 32 | pulumi config set --secret {key} --stack prod" for key in missing]


def test_keys_that_nobody_asks_for_are_refused() -> None:
    with pytest.raises(Problem, match="primaryKey given, but no key is asked for: set authEnabled to true, or drop"):
        access_keys.check_given(False, {"primary": KEY}, "dev")


def test_without_authentication_there_need_be_no_keys() -> None:
    access_keys.check_given(False, {"primary": "", "secondary": None}, "dev")
    access_keys.check_given(True, {"primary": KEY, "secondary": OTHER}, "dev")
