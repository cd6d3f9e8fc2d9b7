import pytest

from notebook_ci.tools.installing import explain


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("HTTP status client error (401 Unauthorized) for url", "requires credentials"),
        ("403 Client Error: for url", "denies access"),
        ("Because boto3==1.29.401 was not found in the package registry", "lacks a package of the lock"),
        ("tqdm-4.403.0 has no usable wheels", "lacks a package of the lock"),
        ("operation timed out", "does not answer in time"),
    ],
)
def test_what_was_printed_is_explained(output: str, said: str) -> None:
    error = explain("The packages could not be installed", output, elsewhere="set X")
    assert error.message.startswith("The packages could not be installed: ")
    assert said in error.message


@pytest.mark.parametrize("output", ["No space left on device (os error 28)", "Permission denied (os error 13)"])
def test_where_else_it_can_be_made_is_said(output: str) -> None:
    assert explain("It could not be made", output, elsewhere="set X to another folder").hint.endswith(
        "or set X to another folder."
    )
