"""Files and streams of inputs that are broken."""

import os

import pytest

from notebook_ci.base.inputs import CONFIG
from unit.example_inputs import Caller, Example, in_toml


def test_broken_toml_is_named_with_its_line(call: Caller) -> None:
    error = call.refused(toml="[execute-notebook]\nhtml = tru\n")
    assert error.message.startswith("`notebook-ci.toml` is not valid TOML: ")
    assert (error.file, error.line) == (CONFIG, 2)


@pytest.mark.parametrize("value", ["True", "False", "yes", "reports/a.ipynb"])
def test_a_value_that_is_none_of_toml_gets_a_word_on_how_toml_writes_it(call: Caller, value: str) -> None:
    error = call.refused(toml=in_toml(f"html = {value}"))
    assert error.hint == "Put text in quotes; write booleans as `true` or `false`."
    assert call.refused(toml="[execute-notebook\n").hint == "Correct it."


def test_toml_nested_without_end_is_refused(call: Caller) -> None:
    assert "is not valid TOML" in call.refused(toml=f"a = {'[' * 20000}").message


def test_a_config_that_is_a_folder_is_refused(call: Caller) -> None:
    (call.folder / CONFIG).mkdir()
    assert call.refused().message == "`notebook-ci.toml` is a folder."


def test_a_config_that_is_a_pipe_is_refused_and_not_waited_for(call: Caller) -> None:
    os.mkfifo(call.folder / CONFIG)
    assert call.refused().message == "`notebook-ci.toml` is not a regular file."


def test_another_file_can_be_named(call: Caller) -> None:
    (call.folder / "ci").mkdir()
    (call.folder / "ci" / "inputs.toml").write_text(in_toml("html = true"), encoding="utf-8")
    toml = in_toml('output-dir = "not read"')
    for loaded in (
        call.load("--config", "ci/inputs.toml", toml=toml),
        call.load(step={"config": "ci/inputs.toml"}, toml=toml),
    ):
        assert loaded == Example(html=True, config="ci/inputs.toml")


def test_a_file_that_was_named_must_be_there(call: Caller) -> None:
    error = call.refused("--config", "ci.toml")
    assert (error.message, error.file) == ("`ci.toml` does not exist.", "ci.toml")


def test_faults_are_told_of_the_file_that_was_named(call: Caller) -> None:
    (call.folder / "ci.toml").write_text("\n[execute-notebook]\nhtlm = true\n", encoding="utf-8")
    error = call.refused("--config", "ci.toml")
    assert (error.message, error.file, error.line) == ("`[execute-notebook]` has an unknown key `htlm`.", "ci.toml", 3)


def test_a_config_that_is_not_utf8_is_refused(call: Caller) -> None:
    error = call.refused(toml=b'[execute-notebook]\noutput-dir = "\xe9"\n')
    assert error.message == "`notebook-ci.toml` is not UTF-8 text."
    assert error.hint == "Save it as UTF-8."


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 200_000])
def test_a_step_that_is_not_json_is_refused(call: Caller, text: str) -> None:
    assert call.refused(step=text).message.startswith("The inputs of the step are not JSON: ")


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "3"])
def test_a_step_that_is_no_json_object_is_refused(call: Caller, text: str) -> None:
    assert call.refused(step=text).message.endswith("not a JSON object.")
