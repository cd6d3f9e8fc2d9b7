"""Withholds the credentials of a job from the code of notebooks and tests."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from notebook_ci.base.context import Context
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import quote

# What many notebooks read data and models with, install packages with, or log to. All else that looks like a
# credential is probably meant for another stage or step: to push an image, to comment on a pull request.
ALWAYS = (
    *("AWS_*", "AZURE_*", "GCP_*", "GOOGLE_*", "S3_*", "DVC_*", "MLFLOW_*", "WANDB_*", "HF_*", "HUGGING*", "KAGGLE_*"),
    *("DATABASE_*", "DB_*", "MONGO*", "MYSQL*", "PG*", "POSTGRES*", "SNOWFLAKE_*", "DATABRICKS_*"),
    *("OPENAI_*", "ANTHROPIC_*", "PIP_*", "UV_*", "*_PROXY"),
    *("!PGP_*", "!UV_PUBLISH_*", "!AZURE_DEVOPS_*"),
)


def for_notebooks(environ: Mapping[str, str], pass_env: Iterable[str], context: Context) -> dict[str, str]:
    """Return the variables without those that look like credentials, unless a pattern passes them: the last one wins.

    A notice names what is withheld.
    """
    patterns = [*ALWAYS, *pass_env]

    def passes(name: str) -> bool:
        matching = [each for each in patterns if fnmatchcase(name.upper(), each.removeprefix("!").upper())]
        return bool(matching) and not matching[-1].startswith("!")

    withheld = sorted(name for name, value in environ.items() if masked(value) != value and not passes(name))
    if withheld:
        names = ", ".join(map(quote, withheld))
        why = "Not passed to notebooks or tests, because they look like credentials"
        context.notice(f"{why}: {names}. To pass one, add it to `pass-env`.")
    return {name: value for name, value in environ.items() if name not in withheld}
