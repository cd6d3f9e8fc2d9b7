import io
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.config_file import missed_config
from notebook_ci.base.errors import InputError
from notebook_ci.base.flags import CHECK_ONLY, FROM_STDIN
from notebook_ci.base.inputs import CONFIG, StageInputs, declared, given
from notebook_ci.base.load_inputs import load
from notebook_ci.base.texts import quote
from notebook_ci.base.values import BOOLEAN, COUNT, GLOBS, PATH, PYTHON_VERSION, SECONDS, YAML_MAP, choice
from notebook_ci.stages import STAGES

STAGE = "execute-notebook"


@dataclass(frozen=True, kw_only=True)
class Example(StageInputs):
    """Show every kind of input."""

    output_dir: str = given(PATH, "A text, 100% of it.", default="out", shown_default="`out`")
    title: str = given(PATH, "Another text.", default="", shown_default="none")
    html: bool = given(BOOLEAN, "A boolean.", default=False, shown_default="`false`")
    notebooks: tuple[str, ...] = given(GLOBS, "Lines.", default=("**/*.ipynb",), shown_default="`**/*.ipynb`")
    cell_timeout: float | None = given(SECONDS, "Seconds.", default=None, shown_default="none")
    python_version: str = given(PYTHON_VERSION, "A version.", default="", shown_default="any")
    parameters: Any = given(YAML_MAP, "A map.", default="", shown_default="none")
    on_error: str = given(choice("warn", "fail"), "One of two.", default="fail", shown_default="`fail`")
    jobs: int | None = given(COUNT, "A number.", default=None, shown_default="none")


@dataclass
class Caller:
    """Calls `load` in a folder."""

    folder: Path

    def load(self, *argv: str, step: Mapping[str, Any] | str | None = None, toml: str | bytes | None = None) -> Example:
        if toml is not None:
            content = toml if isinstance(toml, bytes) else toml.encode()
            (self.folder / CONFIG).write_bytes(content)
        flags = [] if step is None else [FROM_STDIN]
        text = step if isinstance(step, str) else json.dumps(step)
        return load(Example, STAGE, [*flags, *argv], io.StringIO(text), self.folder)

    def refused(self, *argv: str, **sources: Any) -> InputError:
        with pytest.raises(InputError) as caught:
            self.load(*argv, **sources)
        return caught.value


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def in_toml(text: str) -> str:
    return f"[{STAGE}]\n{text}\n"


# Where values come from


def test_without_anything_the_defaults_hold(call: Caller) -> None:
    assert call.load() == Example()


def test_the_config_wins_over_the_default(call: Caller) -> None:
    loaded = call.load(toml=in_toml('output-dir = "from toml"\nhtml = true\ncell-timeout = 5'))
    assert loaded == Example(output_dir="from toml", html=True, cell_timeout=5.0)


def test_the_step_wins_over_the_config(call: Caller) -> None:
    loaded = call.load(step={"output-dir": "from step", "html": "false"}, toml=in_toml('output-dir = "x"\nhtml = true'))
    assert loaded == Example(output_dir="from step", html=False)


def test_a_flag_wins_over_the_config(call: Caller) -> None:
    assert call.load("--output-dir", "flag", toml=in_toml('output-dir = "x"')).output_dir == "flag"


@pytest.mark.parametrize("empty", ["", "  ", "\n\n"])
def test_empty_is_not_given(call: Caller, empty: str) -> None:
    config = in_toml('output-dir = "kept"\nnotebooks = ["kept.ipynb"]')
    for loaded in (
        call.load(step={"output-dir": empty, "notebooks": empty}, toml=config),
        call.load("--output-dir", empty, "--notebooks", empty, toml=config),
    ):
        assert (loaded.output_dir, loaded.notebooks) == ("kept", ("kept.ipynb",))


def test_empty_in_the_config_is_not_given(call: Caller) -> None:
    assert call.load(toml=in_toml('output-dir = ""\nnotebooks = []\npython-version = ""')) == Example()


def test_the_step_is_read_only_where_the_flag_says_so(call: Caller) -> None:
    assert load(Example, STAGE, [], io.StringIO('{"output-dir": "x"}'), call.folder) == Example()


def test_the_config_may_hold_tables_of_other_stages(call: Caller) -> None:
    assert call.load(toml='[setup-env]\nwhatever = 1\n[log-run]\nhtml = "maybe"\n') == Example()


def test_a_byte_order_mark_in_the_config_does_no_harm(call: Caller) -> None:
    assert call.load(toml=b"\xef\xbb\xbf" + in_toml("html = true").encode()).html


def test_names_of_the_step_are_matched_without_regard_to_case(call: Caller) -> None:
    assert call.load(step={"OUTPUT-Dir": "x", "RUN-DIR": "y"}) == Example(output_dir="x", run_dir="y")


def test_underscores_are_not_taken_for_hyphens(call: Caller) -> None:
    assert "`output_dir`" in call.refused(step={"output_dir": "x"}).message


# What is not known


def test_an_unknown_input_of_the_step_is_named_with_the_nearest(call: Caller) -> None:
    error = call.refused(step={"Output-Dri": "x"})
    assert error.message == "The action has no input `Output-Dri`."
    assert error.hint.startswith("Did you mean `output-dir`? Known are ")
    assert "cell-timeout" in error.hint


def test_an_unknown_input_that_is_like_none_gets_the_list_alone(call: Caller) -> None:
    assert call.refused(step={"zzz": ""}).hint.startswith("Known are ")


def test_an_unknown_flag_is_named_with_the_nearest(call: Caller) -> None:
    error = call.refused("--output-dri=x")
    assert error.message == "The command line has an unknown argument `--output-dri`."
    assert error.hint.startswith("Did you mean `--output-dir`? Known are --output-dir, ")


@pytest.mark.parametrize("flag", ["--output-dri=x", "--html=maybe", "--slug=a/b", "--slug", "a.ipynb"])
def test_whatever_is_wrong_with_the_command_line_ends_with_where_to_look(call: Caller, flag: str) -> None:
    assert call.refused(flag).hint.endswith("See `launch.sh execute-notebook --help`.")


def test_what_is_wrong_elsewhere_does_not_lead_to_the_command_line(call: Caller) -> None:
    for error in (call.refused(step={"html": "maybe"}), call.refused(toml=in_toml("html = 3"))):
        assert "--help" not in error.hint


def test_a_flag_cannot_be_abbreviated(call: Caller) -> None:
    assert "`--output`" in call.refused("--output", "x").message


def test_a_word_that_belongs_to_no_flag_is_refused(call: Caller) -> None:
    assert "`a.ipynb`" in call.refused("a.ipynb").message


def test_a_flag_without_its_value_is_refused(call: Caller) -> None:
    error = call.refused("--output-dir")
    assert "--output-dir: expected one argument" in error.message
    assert error.hint == "See `launch.sh execute-notebook --help`."


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("# comment\n[execute-notebook]\nhtml = true\noutput-dri = 1\n", 4),
        ('[execute-notebook]\n"output-dri" = 1\n', 2),
        ("[setup-env]\noutput-dri = 1\n[execute-notebook]\n\n  output-dri=1\n", 5),
        ("[execute-notebook]\nhtml = true\n[execute-notebook.output-dri]\na = 1\n", 3),
        ("[execute-notebook]\noutput-dri.a = 1\n", 2),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest(call: Caller, toml: str, line: int) -> None:
    error = call.refused(toml=toml)
    assert error.message == "[execute-notebook] has an unknown key `output-dri`."
    assert error.hint.startswith("Did you mean `output-dir`? ")
    assert (error.file, error.line) == (CONFIG, line)


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("\n[execute-notebok]\n", 2),
        ('["execute-notebok"]\n', 1),
        ("[execute-notebok.parameters]\n", 1),
        ("execute-notebok.html = true\n", 1),
    ],
)
def test_an_unknown_table_is_named_with_its_line_and_the_nearest(call: Caller, toml: str, line: int) -> None:
    error = call.refused(toml=toml)
    assert error.message == "notebook-ci.toml has an unknown table `execute-notebok`."
    assert error.hint.startswith("Did you mean `execute-notebook`? ")
    assert (error.file, error.line) == (CONFIG, line)


def test_an_unknown_table_is_named_with_those_there_are(call: Caller) -> None:
    tables = "setup-env, dvc-pull, validate-data, execute-notebook, build-image, log-run, pipeline"
    assert call.refused(toml="[whatever]\n").hint == f"Known are {tables}."
    assert call.refused(toml="[dvc-pul]\n").hint == f"Did you mean `dvc-pull`? Known are {tables}."
    assert call.load(toml="[dvc-pull]\nx = 1\n[pipeline]\ny = 2\n") == Example()


@pytest.mark.parametrize(
    ("toml", "message", "hint"),
    [
        (
            'notebooks = ["a.ipynb"]',
            "`notebooks` must stand under [execute-notebook].",
            "Write [execute-notebook] on a line above.",
        ),
        (
            "[parameters]\na = 1",
            "`parameters` must stand under [execute-notebook].",
            "Write [execute-notebook.parameters].",
        ),
        (
            'requirements = "a.txt"',
            "`requirements` must stand under the table of its stage.",
            "Write its name, for example [setup-env], on a line above.",
        ),
    ],
)
def test_an_input_outside_of_a_table_is_told_where_it_belongs(call: Caller, toml: str, message: str, hint: str) -> None:
    error = call.refused(toml=f"\n{toml}\n")
    assert (error.message, error.hint) == (message, hint)
    assert (error.file, error.line) == (CONFIG, 2)


def test_a_stage_that_is_no_table_is_refused(call: Caller) -> None:
    error = call.refused(toml="execute-notebook = 3\n")
    assert error.message == "execute-notebook must be a table: [execute-notebook] on a line of its own."
    assert error.line == 1


# Each kind


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
    assert error.message == f"`{name}` is {quote(value)}. Accepted is {kind.accepts}."


@pytest.mark.parametrize(("value", "shown"), [(1, "`1`"), (["a"], "a list"), (True, "`true`"), ("- a", "a list")])
def test_what_is_no_map_is_refused(call: Caller, value: object, shown: str) -> None:
    assert call.refused(step={"parameters": value}).message == f"`parameters` is {shown}, not a map."


def test_a_number_too_large_for_a_float_is_refused(call: Caller) -> None:
    assert "cell-timeout" in call.refused(step=f'{{"cell-timeout": 1{"0" * 400}}}').message


def test_python_3_10_without_quotes_is_refused_and_not_taken_for_3_1(call: Caller) -> None:
    for error in (call.refused(toml=in_toml("python-version = 3.10")), call.refused(step={"python-version": "3.1"})):
        assert "is `3.1`." in error.message
        assert "in quotes, or 3.10 is read as 3.1" in error.message


def test_a_bad_value_of_the_config_is_named_with_its_line(call: Caller) -> None:
    error = call.refused(toml=in_toml('html = true\ncell-timeout = "5s"'))
    assert error.message.startswith("`cell-timeout` in [execute-notebook] is `5s`. Accepted is a number of seconds")
    assert (error.file, error.line) == (CONFIG, 3)


def test_a_bad_value_of_a_flag_is_named(call: Caller) -> None:
    assert call.refused("--html", "maybe").message == "`--html` is `maybe`. Accepted is `true` or `false`."


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


# Files and streams that are broken


def test_broken_toml_is_named_with_its_line(call: Caller) -> None:
    error = call.refused(toml="[execute-notebook]\nhtml = tru\n")
    assert error.message.startswith("notebook-ci.toml is not TOML: ")
    assert (error.file, error.line) == (CONFIG, 2)


@pytest.mark.parametrize("value", ["True", "False", "yes", "reports/a.ipynb"])
def test_a_value_that_is_none_of_toml_gets_a_word_on_how_toml_writes_it(call: Caller, value: str) -> None:
    error = call.refused(toml=in_toml(f"html = {value}"))
    assert error.hint == "TOML writes `true` and `false`, and text in quotes."
    assert call.refused(toml="[execute-notebook\n").hint == ""


def test_toml_nested_without_end_is_refused(call: Caller) -> None:
    assert "is not TOML" in call.refused(toml=f"a = {'[' * 20000}").message


def test_a_config_that_is_a_folder_is_refused(call: Caller) -> None:
    (call.folder / CONFIG).mkdir()
    assert call.refused().message == "notebook-ci.toml is a folder."


def test_a_config_that_is_a_pipe_is_refused_and_not_waited_for(call: Caller) -> None:
    os.mkfifo(call.folder / CONFIG)
    assert call.refused().message == "notebook-ci.toml is no regular file."


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
    assert (error.message, error.file) == ("There is no file ci.toml.", "ci.toml")


def test_faults_are_told_of_the_file_that_was_named(call: Caller) -> None:
    (call.folder / "ci.toml").write_text("\n[execute-notebook]\nhtlm = true\n", encoding="utf-8")
    error = call.refused("--config", "ci.toml")
    assert (error.message, error.file, error.line) == ("[execute-notebook] has an unknown key `htlm`.", "ci.toml", 3)


def test_a_config_names_no_other(call: Caller) -> None:
    error = call.refused(toml=in_toml('config = "other.toml"'))
    assert error.message == "[execute-notebook] has an unknown key `config`."
    assert "config" not in error.hint.partition("Known are")[2]


def test_a_config_that_is_not_utf8_is_refused(call: Caller) -> None:
    error = call.refused(toml=b'[execute-notebook]\noutput-dir = "\xe9"\n')
    assert error.message == "notebook-ci.toml is not UTF-8 text."
    assert error.hint == "Save it as UTF-8."


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 200_000])
def test_a_step_that_is_not_json_is_refused(call: Caller, text: str) -> None:
    assert call.refused(step=text).message.startswith("The inputs of the step are not JSON: ")


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "3"])
def test_a_step_that_is_no_json_object_is_refused(call: Caller, text: str) -> None:
    assert call.refused(step=text).message.endswith("not a JSON object.")


@pytest.mark.parametrize("value", ["warn", "fail"])
def test_a_choice_is_one_of_its_words(call: Caller, value: str) -> None:
    assert call.load("--on-error", value).on_error == value


@pytest.mark.parametrize("value", ["Warn", "ignore", "true"])
def test_another_word_is_refused(call: Caller, value: str) -> None:
    assert call.refused("--on-error", value).message == f"`--on-error` is `{value}`. Accepted is `warn` or `fail`."


@pytest.mark.parametrize("toml", ["on-error = true", "on-error = 1"])
def test_a_choice_is_text(call: Caller, toml: str) -> None:
    assert "Accepted is `warn` or `fail`." in call.refused(toml=in_toml(toml)).message


def test_a_count_is_a_whole_number(call: Caller) -> None:
    assert call.load("--jobs", "4").jobs == call.load(toml=in_toml("jobs = 4")).jobs == 4


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "four", "10001", "true"])
def test_what_is_no_count_is_refused(call: Caller, value: str) -> None:
    assert (
        f"`--jobs` is `{value}`. Accepted is a whole number from 1 to 10000." in call.refused("--jobs", value).message
    )


@pytest.mark.parametrize("toml", ["jobs = true", "jobs = 1.0"])
def test_what_toml_knows_for_no_whole_number_is_no_count(call: Caller, toml: str) -> None:
    assert "Accepted is a whole number" in call.refused(toml=in_toml(toml)).message


# What documents and records say


def test_help_names_each_input_with_its_default(call: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call.load("--help")
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, item in declared(Example).items():
        assert f"--{name}" in text
        assert " ".join(f"{item.description} Default: {item.shown_default}.".split()) in text
    assert "[execute-notebook]" in text
    assert "The workspace is the current folder." in text


def test_help_shows_what_a_value_is_and_nothing_of_the_launchers_own(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call.load("--help")
    text = capsys.readouterr().out
    for flag in ("--output-dir PATH", "--cell-timeout SECONDS", "--title PATH", "--html [true|false]", "--slug NAME"):
        assert re.search(rf"\n  {re.escape(flag)}\s", text)
    assert FROM_STDIN not in text
    assert CHECK_ONLY not in text


@pytest.mark.parametrize("name", STAGES)
def test_help_ends_with_an_example_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    model = import_module(name.replace("-", "_")).STAGE.inputs
    with pytest.raises(SystemExit):
        load(model, name, ["--help"], io.StringIO(), tmp_path)
    example = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert example[:2] == ["launch.sh", name]
    assert len(example) > 2
    assert load(model, name, example[2:], io.StringIO(), tmp_path) != model()


def test_inputs_of_the_stage_come_before_those_of_all() -> None:
    assert list(declared(Example))[-3:] == ["run-dir", "slug", "config"]
    assert declared(Example)["output-dir"].field == "output_dir"


def test_the_record_gets_the_inputs_by_their_names(call: Caller) -> None:
    given_inputs = call.load("--output-dir", "x").as_given()
    assert given_inputs["output-dir"] == "x"
    assert given_inputs.keys() == declared(Example).keys()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "`plain`"),
        ("a\nb\x1b[0m", "`a\\nb\\x1b[0m`"),
        ("x" * 100, f"`{'x' * 80}…`"),
        ("naïve", "`naïve`"),
        (["a", 1], '`["a", 1]`'),
        (None, "`null`"),
        (True, "`true`"),
        (Path("a"), '`"a"`'),
    ],
)
def test_quote_is_short_and_on_one_line(value: object, shown: str) -> None:
    assert quote(value) == shown


def test_a_config_in_the_root_of_the_repository_is_not_missed_in_silence(tmp_path: Path) -> None:
    below = tmp_path / "notebooks" / "old"
    below.mkdir(parents=True)
    (tmp_path / CONFIG).touch()
    assert missed_config(below) is None
    (tmp_path / ".git").mkdir()
    assert missed_config(below) == tmp_path / CONFIG
    assert missed_config(tmp_path) is None
    (below / CONFIG).touch()
    assert missed_config(below) is None
