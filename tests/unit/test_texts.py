"""Texts for people."""

import pytest

from notebook_ci.texts import listed, without_users


def test_a_list_stays_short() -> None:
    assert listed([], 2) == ""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ann:pw@host:8080/x", "https://host:8080/x"),
        ("https://ann:p@w@host/x", "https://host/x"),
        ("from https://ann@host/x, or https://token@host", "from https://host/x, or https://host"),
        ("https://ann:p/w@host/x", "https://host/x"),
        ("'https://ann:p#w@host/x' and https://ann:p?w@host", "'https://host/x' and https://host"),
        ("https://host/x for a@b.org", "https://host/x for a@b.org"),
        ("git@host:team/x", "git@host:team/x"),
    ],
)
def test_credentials_are_taken_out_of_a_text(text: str, shown: str) -> None:
    assert without_users(text) == shown
