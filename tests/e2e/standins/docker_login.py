"""Stands in for docker/login-action 4.6.0: `docker login` and `docker logout` for one registry."""

import subprocess

from standins import toolkit


def login() -> None:
    """`docker/login-action`."""
    password = toolkit.text("password")
    toolkit.command("add-mask", password)
    command = ["docker", "login", "--username", toolkit.text("username"), "--password-stdin", toolkit.text("registry")]
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=False)
    if done.returncode:
        raise toolkit.StandinError(done.stderr.strip())
    print(done.stdout.strip())


def logout() -> None:
    """The `post` part of `docker/login-action`."""
    subprocess.run(["docker", "logout", toolkit.text("registry")], check=True)
