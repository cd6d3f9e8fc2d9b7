"""Each kind of value: what is accepted, and what is said of others."""

import json
from typing import Any

import pytest

from notebook_ci.base.inputs import CONFIG, declared
from notebook_ci.base.texts import quote
from unit.example_inputs import Caller, Example, in_toml

# --- Each kind


def from_step(call: Caller, name: str, value: object) -> Any:
    return getattr(call.load(step={name: value}), name.replace("-", "_"))


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("output-dir", "  a b  ", "a b"),
        ("html", "true", True),
        ("html", "false", False),
        ("notebooks", "a.ipynb\n  b.ipynb \r\n\n", ("a.ipynb", "b.ipynb")),
        ("cell-timeout", "0.5", 0.5),
        ("cell-timeout", " 864000 ", 864000.0),
        ("python-version", "3.12", "3.12"),
        ("python-version", "3.12.10", "3.12.10"),
        ("slug", "py3.11_a-b", "py3.11_a-b"),
        ("slug", "a" * 64, "a" * 64),
        ("parameters", "a: 1", {"a": 1}),
    ],
)
def test_good_values_of_a_step(call: Caller, name: str, value: str, read: object) -> None:
    found = from_step(call, name, value)
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    ("toml", "field", "read"),
    [
        ("output-dir = 3", "output_dir", "3"),
        ("html = true", "html", True),
        ('notebooks = ["a.ipynb", " b.ipynb ", ""]', "notebooks", ("a.ipynb", "b.ipynb")),
        ('notebooks = """\na.ipynb\nb.ipynb\n"""', "notebooks", ("a.ipynb", "b.ipynb")),
        ("cell-timeout = 1e3", "cell_timeout", 1000.0),
        ("python-version = 3.12", "python_version", "3.12"),
        ('[execute-notebook.parameters]\na = [1, "x"]', "parameters", {"a": [1, "x"]}),
    ],
)
def test_good_values_of_the_config(call: Caller, toml: str, field: str, read: object) -> None:
    assert getattr(call.load(toml=in_toml(toml)), field) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("html", value) for value in ("False", "True", "yes", "no", "1", "0", "on", "true false", 1, 0, None, ["x"])),
        *(("cell-timeout", value) for value in ("0", "-1", "nan", "inf", "1e99", "5s", "1,5", "864001", True, [1])),
        *(("slug", value) for value in ("a/b", ".hidden", "-flag", "a b", "ü", "a" * 65, "a\nb", "..", True)),
        *(("python-version", value) for value in ("3", "2.7", "3.x", ">=3.11", "3.12.1.2", "latest", "3.123", 3, 3.1)),
        *(("notebooks", value) for value in (1, ["a", 1], {"a": 1}, True)),
        *(("output-dir", value) for value in (True, ["a"], {"a": 1}, None)),
    ],
)
def test_bad_values_are_refused_with_what_is_accepted(call: Caller, name: str, value: object) -> None:
    error = call.refused(step={name: value})
    kind = declared(Example)[name].kind
    assert (error.message, error.hint) == (f"`{name}` does not accept {quote(value)}.", f"Use {kind.accepts}.")


@pytest.mark.parametrize(("value", "shown"), [(1, "`1`"), (["a"], "a list"), (True, "`true`"), ("- a", "a list")])
def test_what_is_no_map_is_refused(call: Caller, value: object, shown: str) -> None:
    assert call.refused(step={"parameters": value}).message == f"`parameters` is {shown}, not a map."


def test_a_number_too_large_for_a_float_is_refused(call: Caller) -> None:
    assert "cell-timeout" in call.refused(step=f'{{"cell-timeout": 1{"0" * 400}}}').message


def test_python_3_10_without_quotes_is_refused_and_not_taken_for_3_1(call: Caller) -> None:
    for error in (call.refused(toml=in_toml("python-version = 3.10")), call.refused(step={"python-version": "3.1"})):
        assert "does not accept `3.1`." in error.message
        assert "in quotes, or 3.10 is read as 3.1" in error.hint


def test_a_bad_value_of_the_config_is_named_with_its_line(call: Caller) -> None:
    error = call.refused(toml=in_toml('html = true\ncell-timeout = "5s"'))
    assert error.message == "`cell-timeout` in `[execute-notebook]` does not accept `5s`."
    assert (error.file, error.line) == (CONFIG, 3)


def test_a_bad_value_of_a_flag_is_named(call: Caller) -> None:
    assert call.refused("--html", "maybe").message == "`--html` does not accept `maybe`."


def test_a_boolean_flag_needs_no_value(call: Caller) -> None:
    assert call.load("--html").html
    assert not call.load("--html=false", toml=in_toml("html = true")).html


def test_a_flag_of_lines_can_be_repeated_and_hold_lines(call: Caller) -> None:
    assert call.load("--notebooks", "a\nb", "--notebooks=c").notebooks == ("a", "b", "c")


@pytest.mark.parametrize(
    "hostile",
    [
        "\"double\" 'single'",
        "$(touch /tmp/owned) `id` ${HOME} $((1+1))",
        "a && b; c | d > e",
        "::set-output name=x::y",
        "%0A%25",
        "naïve 日本語 🐼",
        "--html",
        "a\\nb",
    ],
)
def test_hostile_text_passes_unchanged(call: Caller, hostile: str) -> None:
    assert from_step(call, "output-dir", hostile) == hostile
    assert call.load(f"--output-dir={hostile}").output_dir == hostile
    assert from_step(call, "notebooks", f"{hostile}\n{hostile}") == (hostile, hostile)
    assert call.load(toml=in_toml(f"output-dir = {json.dumps(hostile, ensure_ascii=False)}")).output_dir == hostile


def test_newlines_within_a_text_stay(call: Caller) -> None:
    assert from_step(call, "output-dir", "a\nb") == "a\nb"


@pytest.mark.parametrize(
    "toml", ['output-dir = "a\\u0000b"', 'notebooks = ["a\\u0000b"]', 'notebooks = "a\\u0000b"', 'slug = "\\u0000"']
)
def test_a_nul_character_is_refused(call: Caller, toml: str) -> None:
    error = call.refused(toml=in_toml(toml))
    assert "NUL" in error.message
    assert error.line == 2


def test_a_nul_character_from_a_step_is_refused(call: Caller) -> None:
    assert "NUL" in call.refused(step={"notebooks": "a\0b"}).message


# --- One of a few words, and whole numbers


@pytest.mark.parametrize("value", ["warn", "fail"])
def test_a_choice_is_one_of_its_words(call: Caller, value: str) -> None:
    assert call.load("--on-error", value).on_error == value


@pytest.mark.parametrize("value", ["Warn", "ignore", "true"])
def test_another_word_is_refused(call: Caller, value: str) -> None:
    assert call.refused("--on-error", value).message == f"`--on-error` does not accept `{value}`."


@pytest.mark.parametrize("toml", ["on-error = true", "on-error = 1"])
def test_a_choice_is_text(call: Caller, toml: str) -> None:
    assert "Use `warn` or `fail`." in call.refused(toml=in_toml(toml)).hint


def test_a_count_is_a_whole_number(call: Caller) -> None:
    assert call.load("--jobs", "4").jobs == call.load(toml=in_toml("jobs = 4")).jobs == 4


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "four", "10001", "true"])
def test_what_is_no_count_is_refused(call: Caller, value: str) -> None:
    assert call.refused("--jobs", value).message == f"`--jobs` does not accept `{value}`."


@pytest.mark.parametrize("toml", ["jobs = true", "jobs = 1.0"])
def test_what_toml_knows_for_no_whole_number_is_no_count(call: Caller, toml: str) -> None:
    assert "Use a whole number" in call.refused(toml=in_toml(toml)).hint
