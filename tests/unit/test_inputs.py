"""Where inputs come from, which names are unknown, and what documents and records say of them."""

import io
import re
import shlex
from pathlib import Path

import pytest

from notebook_ci.base.config_file import missed_config
from notebook_ci.base.errors import Problem
from notebook_ci.base.inputs import CONFIG, declared
from notebook_ci.base.load_inputs import CHECK_ONLY, FROM_STDIN, load
from notebook_ci.base.workspace import Workspace
from notebook_ci.stages import ALL_STAGES, load_stage
from unit.example_inputs import STAGE, Caller, Example, in_toml

# --- Where values come from


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


@pytest.mark.parametrize(
    "flags", [("--notebooks", "a.ipynb", "b.ipynb"), ("--notebooks", "a.ipynb", "--notebooks", "b.ipynb")]
)
def test_a_flag_takes_several_values_as_a_shell_expands_them(call: Caller, flags: tuple[str, ...]) -> None:
    assert call.load(*flags, "--output-dir", "x") == Example(notebooks=("a.ipynb", "b.ipynb"), output_dir="x")


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
    assert load(Example, STAGE, [], io.StringIO('{"output-dir": "x"}'), Workspace(call.folder, {}))[0] == Example()


def test_the_config_may_hold_tables_of_other_stages(call: Caller) -> None:
    assert call.load(toml='[setup-env]\nwhatever = 1\n[log-run]\nhtml = "maybe"\n') == Example()


def test_a_byte_order_mark_in_the_config_does_no_harm(call: Caller) -> None:
    assert call.load(toml=b"\xef\xbb\xbf" + in_toml("html = true").encode()).html


def test_names_of_the_step_are_matched_without_regard_to_case(call: Caller) -> None:
    assert call.load(step={"OUTPUT-Dir": "x", "RUN-DIR": "y"}) == Example(output_dir="x", run_dir="y")


def test_underscores_are_not_taken_for_hyphens(call: Caller) -> None:
    assert "`output_dir`" in call.refused(step={"output_dir": "x"}).message


# --- What is not known


def test_an_unknown_input_of_the_step_is_named_with_the_nearest(call: Caller) -> None:
    error = call.refused(step={"Output-Dri": "x"})
    assert error.message == "The action has no input `Output-Dri`."
    assert error.hint.startswith("Did you mean `output-dir`? Known: `")
    assert "cell-timeout" in error.hint


def test_an_unknown_input_that_is_like_none_gets_the_list_alone(call: Caller) -> None:
    assert call.refused(step={"zzz": ""}).hint.startswith("Known: `")


def test_an_unknown_flag_is_named_with_the_nearest(call: Caller) -> None:
    error = call.refused("--output-dri=x")
    assert error.message == "The command line has an unknown argument `--output-dri`."
    assert error.hint.startswith("Did you mean `--output-dir`? Known: `--output-dir`, ")


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
    assert error.message == "`[execute-notebook]` has an unknown key `output-dri`."
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
    assert error.message == "`notebook-ci.toml` has an unknown table `execute-notebok`."
    assert error.hint.startswith("Did you mean `execute-notebook`? ")
    assert (error.file, error.line) == (CONFIG, line)


def test_an_unknown_table_is_named_with_those_there_are(call: Caller) -> None:
    tables = ", ".join(f"`{name}`" for name in (*ALL_STAGES, "pipeline"))
    assert call.refused(toml="[whatever]\n").hint == f"Known: {tables}."
    assert call.refused(toml="[dvc-pul]\n").hint == f"Did you mean `dvc-pull`? Known: {tables}."
    assert call.load(toml="[dvc-pull]\nx = 1\n[pipeline]\ny = 2\n") == Example()


@pytest.mark.parametrize(
    ("toml", "message", "hint"),
    [
        (
            'notebooks = ["a.ipynb"]',
            "`notebooks` is not in the table of a stage.",
            "Write `[execute-notebook]` on a line above it.",
        ),
        (
            "[parameters]\na = 1",
            "`parameters` is not in the table of a stage.",
            "Write `[execute-notebook.parameters]`.",
        ),
        (
            'requirements = "a.txt"',
            "`requirements` is not in the table of a stage.",
            "Write the name of a stage, for example `[setup-env]`, on a line above it.",
        ),
    ],
)
def test_an_input_outside_of_a_table_is_told_where_it_belongs(call: Caller, toml: str, message: str, hint: str) -> None:
    error = call.refused(toml=f"\n{toml}\n")
    assert (error.message, error.hint) == (message, hint)
    assert (error.file, error.line) == (CONFIG, 2)


def test_a_stage_that_is_no_table_is_refused(call: Caller) -> None:
    error = call.refused(toml="execute-notebook = 3\n")
    assert error.message == "`execute-notebook` is not a table."
    assert error.line == 1


# --- What documents and records say


def test_help_names_each_input_with_its_default(call: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call.load("--help")
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, item in declared(Example).items():
        assert f"--{name}" in text
        assert " ".join(f"{item.description} Default: {item.shown_default}.".split()) in text
    assert "[execute-notebook]" in text
    assert "The workspace is the current folder, or --working-directory." in text


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


@pytest.mark.parametrize("name", ALL_STAGES)
def test_help_ends_with_an_example_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    model = load_stage(name).inputs
    with pytest.raises(SystemExit):
        load(model, name, ["--help"], io.StringIO(), Workspace(tmp_path, {}))
    example = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert example[:2] == ["launch.sh", name]
    assert len(example) > 2
    assert load(model, name, example[2:], io.StringIO(), Workspace(tmp_path, {}))[0] != model()


def test_inputs_of_the_stage_come_before_those_of_all() -> None:
    assert list(declared(Example))[-4:] == ["working-directory", "run-dir", "slug", "config"]
    assert declared(Example)["output-dir"].field == "output_dir"


def test_the_record_gets_the_inputs_by_their_names(call: Caller) -> None:
    given_inputs = call.load("--output-dir", "x").as_given()
    assert given_inputs["output-dir"] == "x"
    assert given_inputs.keys() == declared(Example).keys()


def test_a_config_in_the_root_of_the_repository_is_not_missed_in_silence(tmp_path: Path) -> None:
    below = tmp_path / "notebooks" / "old"
    below.mkdir(parents=True)
    (tmp_path / CONFIG).touch()

    def missed(folder: Path, named: str = "") -> list[Problem]:
        return missed_config(Workspace(folder, {}), named)

    assert missed(below) == []
    (tmp_path / ".git").mkdir()
    [warning] = missed(below)
    assert warning.message == f"`{tmp_path / CONFIG}` is not read, because the working directory is `{below}`."
    assert "Set `working-directory` to the folder of the file" in warning.hint
    assert warning.hint.endswith("or set `config` to `../../notebook-ci.toml`.")
    assert missed(below, "other.toml") == []
    assert missed(tmp_path) == []
    (below / CONFIG).touch()
    assert missed(below) == []
