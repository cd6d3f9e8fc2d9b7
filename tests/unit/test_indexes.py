"""Which index the user has set up, from each place where uv and pip let it be said."""

import os
from pathlib import Path

import pytest

from notebook_ci.base import indexes
from notebook_ci.base.errors import InputError
from notebook_ci.base.index_settings import Index, IndexSettings

A, B, C = "https://a.test/simple", "https://b.test/simple", "https://c.test/simple"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "notebooks").mkdir(parents=True)
    return tmp_path / "project"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(home: Path, *cwd: Path, **environ: str) -> IndexSettings:
    """Read with a home folder of the test's own; the system's folders are beside it."""
    platform = environ.pop("platform", "linux")
    own = {"HOME": str(home), "USERPROFILE": str(home), "PROGRAMDATA": str(home.parent / "ProgramData")}
    return indexes.read({**own, **environ}, cwd[0] if cwd else home, platform, home.parent)


# --- uv's variables


def test_nothing_said_is_nothing_set(home: Path) -> None:
    settings = read(home)
    assert settings == IndexSettings()
    assert settings.for_uv() == {}
    assert settings.for_pip() == {}
    assert settings.uv_flags() == []
    assert not settings.names_packages


def test_the_newer_variables_of_uv_win(home: Path) -> None:
    settings = read(home, UV_DEFAULT_INDEX=A, UV_INDEX_URL=B, UV_INDEX=f"ours={B} {C}", UV_EXTRA_INDEX_URL=A)
    assert settings.default == Index(A)
    assert settings.extra == (Index(B, "ours"), Index(C), Index(A))
    assert settings.for_uv() == {"UV_DEFAULT_INDEX": A, "UV_INDEX": f"ours={B} {C} {A}"}
    assert settings.for_pip() == {"PIP_INDEX_URL": A, "PIP_EXTRA_INDEX_URL": f"{B} {C} {A}"}


def test_an_address_with_a_query_is_no_name(home: Path) -> None:
    assert read(home, UV_DEFAULT_INDEX="https://a.test/simple?x=y").default == Index("https://a.test/simple?x=y")


def test_credentials_of_a_named_index_reach_both(home: Path) -> None:
    login = {"UV_INDEX_OUR_MIRROR_USERNAME": "me@work", "UV_INDEX_OUR_MIRROR_PASSWORD": "p/w"}
    settings = read(home, UV_DEFAULT_INDEX=f"our-mirror={A}", UV_INDEX=f"other={B}", **login)
    assert settings.for_uv() == {"UV_DEFAULT_INDEX": f"our-mirror={A}", "UV_INDEX": f"other={B}", **login}
    assert settings.for_pip()["PIP_INDEX_URL"] == "https://me%40work:p%2Fw@a.test/simple"
    assert settings.for_pip()["PIP_EXTRA_INDEX_URL"] == B, "they belong to the other one"


def test_credentials_in_the_address_stay(home: Path) -> None:
    address = "https://me:pw@a.test/simple"
    settings = read(home, UV_DEFAULT_INDEX=f"x={address}", UV_INDEX_X_PASSWORD="other")  # noqa: S106
    assert settings.for_pip()["PIP_INDEX_URL"] == address


def test_how_an_index_is_reached(home: Path) -> None:
    settings = read(
        home,
        UV_INSECURE_HOST="a.test b.test:8080",
        UV_KEYRING_PROVIDER="subprocess",
        UV_SYSTEM_CERTS="1",
        UV_FIND_LINKS="/wheels,https://a.test/links",
        UV_INDEX_STRATEGY="unsafe-best-match",
        SSL_CERT_FILE="/ca.pem",
        SSL_CLIENT_CERT="/me.pem",
        https_proxy="http://proxy:1",
        ALL_PROXY="http://all:1",
        NO_PROXY="a.test",
    )
    assert settings.for_uv() == {
        "UV_INSECURE_HOST": "a.test b.test:8080",
        "UV_KEYRING_PROVIDER": "subprocess",
        "UV_SYSTEM_CERTS": "true",
        "UV_FIND_LINKS": "/wheels,https://a.test/links",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "HTTP_PROXY": "http://all:1",
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "a.test",
    }
    assert settings.for_pip() == {
        "PIP_TRUSTED_HOST": "a.test b.test:8080",
        "PIP_KEYRING_PROVIDER": "subprocess",
        "PIP_FIND_LINKS": "/wheels https://a.test/links",
        "PIP_CERT": "/ca.pem",
        "PIP_CLIENT_CERT": "/me.pem",
        "HTTP_PROXY": "http://all:1",
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "a.test",
    }


# --- uv's files


def test_each_kind_of_index_in_a_file(home: Path, project: Path) -> None:
    write(
        project / "uv.toml",
        f"""
        index = [
            {{ url = "{A}", name = "first" }},
            {{ url = "{B}", default = true }},
            {{ url = "{C}", explicit = true, name = "for-one-package" }},
            {{ url = "wheels", format = "flat" }},
        ]
        extra-index-url = ["{C}"]
        find-links = ["https://a.test/links"]
        allow-insecure-host = ["a.test"]
        keyring-provider = "subprocess"
        system-certs = true
        https-proxy = "http://proxy:1"
        no-proxy = ["a.test", "b.test"]
        exclude-newer = "2000-01-01"
        """,
    )
    settings = read(home, project / "notebooks")
    assert settings.default == Index(B)
    assert settings.extra == (Index(A, "first"), Index(C))
    assert settings.find_links == (str(project / "wheels"), "https://a.test/links")
    assert settings.for_uv()["NO_PROXY"] == "a.test,b.test"
    assert settings.for_uv()["HTTPS_PROXY"] == "http://proxy:1"
    assert settings.keyring == "subprocess"
    assert settings.insecure_hosts == ("a.test",)
    assert settings.system_certificates
    assert not any("NEWER" in name for name in settings.for_uv())


def test_variables_win_over_the_project_that_wins_over_the_user_that_wins_over_the_system(
    home: Path, project: Path
) -> None:
    def found(**environ: str) -> IndexSettings:
        return read(home, project, **environ)

    write(home.parent / "etc/uv/uv.toml", f'index-url = "{A}"\nextra-index-url = ["{A}"]\n')
    assert found().default == Index(A)
    write(home / ".config/uv/uv.toml", f'index-url = "{B}"\nextra-index-url = ["{B}"]\n')
    assert found().default == Index(B)
    write(project / "pyproject.toml", f'[[tool.uv.index]]\nurl = "{C}"\ndefault = true\n')
    assert found().default == Index(C)
    assert found().extra == (Index(B), Index(A)), "lists grow"
    assert found(UV_DEFAULT_INDEX="https://d.test").default == Index("https://d.test")


def test_the_nearest_file_of_the_project_counts(home: Path, project: Path) -> None:
    write(project / "uv.toml", f'index-url = "{A}"\n')
    write(project / "pyproject.toml", f'[tool.uv]\nindex-url = "{B}"\n')
    assert read(home, project / "notebooks").default == Index(A), "uv.toml wins over pyproject.toml beside it"
    write(project / "notebooks/pyproject.toml", "[project]\nname = 'x'\n")
    assert read(home, project / "notebooks").default == Index(A), "without [tool.uv] it is passed over"
    write(project / "notebooks/pyproject.toml", f'[tool.uv]\nindex-url = "{C}"\n')
    assert read(home, project / "notebooks").default == Index(C)


def test_what_is_no_file_is_passed_over_unless_it_is_named(home: Path, project: Path) -> None:
    os.mkfifo(project / "uv.toml")  # reading it would wait for ever
    write(project / "pyproject.toml", f'[tool.uv]\nindex-url = "{A}"\n')
    assert read(home, project).default == Index(A)
    with pytest.raises(InputError, match="Is a directory"):
        read(home, project, UV_CONFIG_FILE=".")


def test_the_table_pip_wins_within_a_file(home: Path) -> None:
    write(home / "uv.toml", f'index-url = "{A}"\n[pip]\nindex-url = "{B}"\nno-index = true\n')
    settings = read(home)
    assert settings.default == Index(B)
    assert settings.uv_flags() == ["--no-index"]
    assert settings.for_pip()["PIP_NO_INDEX"] == "1"


def test_a_named_file_stands_for_all_files(home: Path, project: Path) -> None:
    write(home / ".config/uv/uv.toml", f'index-url = "{A}"\n')
    write(project / "own.toml", f'extra-index-url = ["{B}"]\n')
    settings = read(home, project, UV_CONFIG_FILE="own.toml")
    assert (settings.default, settings.extra) == (None, (Index(B),))
    assert read(home, project, UV_NO_CONFIG="1") == IndexSettings()


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".config/uv/uv.toml"),
        ("darwin", ".config/uv/uv.toml"),
        ("win32", "AppData/Roaming/uv/uv.toml"),
        ("win32", "../ProgramData/uv/uv.toml"),
        ("linux", "../etc/uv/uv.toml"),
        ("linux", "../etc/xdg/uv/uv.toml"),
    ],
)
def test_the_places_of_uvs_files(home: Path, project: Path, platform: str, place: str) -> None:
    write(home / place, f'index-url = "{A}"\n')
    assert read(home, project, platform=platform).default == Index(A)


def test_the_user_file_of_xdg(home: Path, project: Path) -> None:
    write(home / "xdg/uv/uv.toml", f'index-url = "{A}"\n')
    assert read(home, project, XDG_CONFIG_HOME=str(home / "xdg")).default == Index(A)


# --- pip


def test_pip_is_asked_where_uv_was_told_nothing(home: Path) -> None:
    pip = {"PIP_INDEX_URL": A, "PIP_EXTRA_INDEX_URL": f"{B}\n{C}", "PIP_TRUSTED_HOST": "b.test c.test"}
    settings = read(home, **pip)
    assert settings.for_uv() == {
        "UV_DEFAULT_INDEX": A,
        "UV_INDEX": f"{B} {C}",
        "UV_INSECURE_HOST": "b.test c.test",
    }
    # Places of the two are not mixed: an index of uv alone may be there to replace the public one.
    assert read(home, **pip, UV_INDEX_URL=C).for_uv() == {"UV_DEFAULT_INDEX": C, "UV_INSECURE_HOST": "b.test c.test"}


def test_how_pip_reaches_an_index_is_told_to_uv(home: Path) -> None:
    pip = {"PIP_CERT": "/ca.pem", "PIP_CLIENT_CERT": "/me.pem", "PIP_PROXY": "http://proxy:1", "PIP_NO_INDEX": "on"}
    settings = read(home, **pip, PIP_KEYRING_PROVIDER="import")
    assert settings.for_uv() == {
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "HTTP_PROXY": "http://proxy:1",
        "HTTPS_PROXY": "http://proxy:1",
    }, "uv knows keyring as a program only"
    assert settings.for_pip()["PIP_KEYRING_PROVIDER"] == "import"
    assert settings.uv_flags() == ["--no-index"]
    assert read(home, **pip, SSL_CERT_FILE="/own.pem").certificates == "/own.pem"
    assert read(home, REQUESTS_CA_BUNDLE="/requests.pem").for_uv() == {"SSL_CERT_FILE": "/requests.pem"}


def test_variables_win_over_install_that_wins_over_global(home: Path) -> None:
    write(home / ".config/pip/pip.conf", f"[global]\nindex-url = {A}\nproxy = http://p:1\ncert =\n")
    assert read(home).default == Index(A)
    write(
        home / ".config/pip/pip.conf", f"[global]\nindex_url = {A}\n[install]\nindex-url = {B}\n[list]\nindex-url = x\n"
    )
    assert read(home).default == Index(B)
    assert read(home, PIP_INDEX_URL=C).default == Index(C)
    assert read(home, PIP_INDEX_URL="").default == Index(B), "set to nothing is not set"


def test_later_files_of_pip_win(home: Path) -> None:
    environ = {"VIRTUAL_ENV": str(home / "venv")}
    places = ["../etc/xdg/pip/pip.conf", "../etc/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf", "venv/pip.conf"]
    for number, place in enumerate(places):
        write(home / place, f"[global]\nindex-url = https://{number}.test\n")
        assert read(home, **environ).default == Index(f"https://{number}.test")
    write(home / "own.conf", f"[global]\nindex-url = {A}\n")
    assert read(home, **environ, PIP_CONFIG_FILE=str(home / "own.conf")).default == Index(A)
    assert read(home, **environ, PIP_CONFIG_FILE=os.devnull) == IndexSettings()


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".config/pip/pip.conf"),
        ("darwin", "Library/Application Support/pip/pip.conf"),
        ("darwin", ".config/pip/pip.conf"),
        ("win32", "AppData/Roaming/pip/pip.ini"),
        ("win32", "pip/pip.ini"),
        ("win32", "../ProgramData/pip/pip.ini"),
        ("darwin", "../Library/Application Support/pip/pip.conf"),
    ],
)
def test_the_places_of_pips_files(home: Path, platform: str, place: str) -> None:
    write(home / place, f"[global]\nextra-index-url =\n    {A}\n    {B}\n")
    assert read(home, platform=platform).extra == (Index(A), Index(B))


def test_a_folder_that_is_not_there_is_left_out(home: Path) -> None:
    (home / "wheels").mkdir()
    settings = read(home, PIP_FIND_LINKS=f"/not/there {home}/wheels https://a.test/links")
    assert settings.find_links == (f"{home}/wheels", "https://a.test/links")


# --- What pip and uv are run with


def test_nothing_else_of_the_users_settings_reaches_them() -> None:
    kept = {"PATH": "/bin", "HOME": "/home/me", "SSL_CERT_DIR": "/certs", "NETRC": "/netrc", "HTTP_PROXY": "http://p"}
    kept |= {"UV_CREDENTIALS_DIR": "/credentials", "REQUESTS_CA_BUNDLE": "/ca.pem"}
    harm = {"UV_EXCLUDE_NEWER": "x", "UV_CONFIG_FILE": "x", "PIP_NO_BINARY": "x", "PIP_TARGET": "x", "PYTHONPATH": "x"}
    harm |= {"VIRTUAL_ENV": "x", "CONDA_PREFIX": "x", "PYTHONSAFEPATH": "x", "UV_PYTHON": "x", "UV_INDEX_URL": "x"}
    clean = indexes.without_settings(kept | harm)
    assert clean.items() >= kept.items()
    assert "x" not in clean.values()
    assert clean["UV_NO_CONFIG"] == "1"
    assert clean["PIP_CONFIG_FILE"] == os.devnull


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (".config/uv/uv.toml", "index-url = \n"),
        ("uv.toml", "[index]\nurl = 'https://h'\n"),
        (".config/pip/pip.conf", "index-url = x\n"),
        ("pyproject.toml", "[[\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(home: Path, place: str, text: str) -> None:
    write(home / place, text)
    with pytest.raises(InputError, match="package index settings cannot be read") as caught:
        read(home)
    assert caught.value.file == (home / place).as_posix()
