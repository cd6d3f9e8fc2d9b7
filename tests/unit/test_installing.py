import pytest

from notebook_ci.installing import explain, mask


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("HTTP status client error (401 Unauthorized) for url", "asks for credentials"),
        ("403 Client Error: for url", "forbids the access"),
        ("Because boto3==1.29.401 was not found in the package registry", "does not have what the lock names"),
        ("tqdm-4.403.0 has no usable wheels", "does not have what the lock names"),
        ("operation timed out", "does not answer in time"),
    ],
)
def test_what_was_printed_is_explained(output: str, said: str) -> None:
    error = explain("The packages could not be installed", output)
    assert error.message.startswith("The packages could not be installed: ")
    assert said in error.message


def test_credentials_are_masked() -> None:
    assert mask("https://me:s3cret@host/simple and s3cret", ["s3cret"]) == "https://***@host/simple and ***"
