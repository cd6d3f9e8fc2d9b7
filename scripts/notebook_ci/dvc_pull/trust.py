"""What a repository may ask of DVC (3.67): untrusted authors write its configuration, pointers and lists of files.

DVC trusts them: an option can name a file whose content runs programs (`credential_process` of AWS), and a hash or a
path becomes a path on this machine unchanged. Each is checked at the point where DVC itself reads it, so that nothing
that DVC reads in another way (an imported repository, an unusual spelling) escapes the check.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from notebook_ci.base import git
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc.pointers import check_entries, is_forbidden, relative_to_workspace

# Options of remotes that do not name a file of credentials or settings, or a program (`dvc/config_schema.py`).
# `ssl_verify` can name certificates, which are only read.
OF_REMOTES = {
    # All kinds
    *("checksum_jobs", "jobs", "no_traverse", "protected", "shared", "slow_link_warning", "type", "url", "verify"),
    *("version_aware", "worktree"),
    # Credentials
    *("access_key_id", "account_key", "account_name", "allow_agent", "allow_anonymous_login", "ask_passphrase"),
    *("ask_password", "auth", "client_id", "client_secret", "connection_string", "custom_auth_header", "gss_auth"),
    *("passphrase", "password", "profile", "sas_token", "secret_access_key", "session_token", "tenant_id", "user"),
    *("exclude_environment_credential", "exclude_managed_identity_credential"),
    *("exclude_shared_token_cache_credential", "exclude_visual_studio_code_credential"),
    # S3
    *("acl", "cache_regions", "endpointurl", "grant_full_control", "grant_read", "grant_read_acp", "grant_write_acp"),
    *("listobjects", "region", "sse", "sse_customer_algorithm", "sse_customer_key", "sse_kms_key_id", "use_ssl"),
    # Connections
    *("connect_timeout", "connection_timeout", "max_sessions", "method", "port", "projectname", "read_timeout"),
    *("ssl_verify", "timeout"),
}
# Not `site_cache_dir`: DVC loads pickled objects from it.
OF_CORE = {
    *("analytics", "autostage", "check_update", "checksum_jobs", "experiments"),
    *("hardlink_lock", "interactive", "machine", "no_scm", "remote"),
}
OWNER = (
    "It can name files whose content runs programs. Set it on the machine instead: `dvc remote modify --local` "
    "(`.dvc/config.local`, which git must ignore) or `--global`."
)
# DVC also asks for paths of hash prefixes, and of hashes of other kinds.
_OBJECT_NAME = re.compile(r"[\w-]*(\.dir)?")


def guard(workspace: Path) -> None:
    """From now on, check what DVC reads in this process."""
    from dvc.config import Config
    from dvc.dependency.repo import RepoDependency
    from dvc.output import Output, OutputIsIgnoredError
    from dvc_data.hashfile.db.local import LocalHashFileDB
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.db import ObjectDB

    load_config, output, dependency, from_list = (
        Config._load_config,  # noqa: SLF001 - nothing else knows the level
        Output.__init__,
        RepoDependency.__init__,
        Tree.from_list.__func__,
    )

    def checked_config(self: Any, level: str) -> Any:
        values = load_config(self, level)
        if level == "repo" or (level == "local" and values and not _is_ignored(Path(self.files[level]))):
            _check_sections(values, Path(self.files[level]), workspace)
        return values

    def checked_output(self: Any, stage: Any, path: str, *arguments: Any, **options: Any) -> None:
        pointer = Path(stage.path)
        _check_options((options.get("fs_config") or {}), "fs_config", pointer, workspace)
        try:
            output(self, stage, path, *arguments, **options)
        except OutputIsIgnoredError as error:  # DVC does not name the pointer
            name, hint = relative_to_workspace(pointer, workspace), "Use another path, or fix `.dvcignore`."
            message = f"{quote(name)} tracks {quote(path)}, which DVC ignores."
            raise InputError(message, hint=hint, file=name) from error

    def checked_dependency(self: Any, def_repo: Mapping[str, Any], stage: Any, *rest: Any, **options: Any) -> None:
        pointer = Path(stage.path)
        config, remote = def_repo.get("config") or {}, def_repo.get("remote") or {}
        if isinstance(config, str):
            _check_options(["config"], "the import", pointer, workspace, allowed=())
        _check_sections(config, pointer, workspace)
        if isinstance(remote, Mapping):
            _check_options(remote, "the import", pointer, workspace)
        dependency(self, def_repo, stage, *rest, **options)

    def checked_list(cls: Any, entries: Any, hash_name: str | None = None) -> Any:
        check_entries(entries)
        return from_list(cls, entries, hash_name=hash_name)

    Config._load_config = checked_config  # noqa: SLF001 - the same
    Output.__init__ = checked_output
    RepoDependency.__init__ = checked_dependency
    Tree.from_list = classmethod(checked_list)
    for store in (ObjectDB, LocalHashFileDB):
        _guard_names(store)


def check_path(path: Path, root: Path, shown: str, pointer: str) -> None:
    """Raise InputError if the absolute path of an output is outside `root`, or in a folder of git or DVC."""
    is_inside = root in path.parents
    if not is_inside or is_forbidden(path.relative_to(root).parts):
        what = "in a folder of git or DVC" if is_inside else "outside the repository"
        hint = "Only files of the repository are pulled: give the output a path in it."
        raise InputError(f"{quote(pointer)} tracks {quote(shown)}, which is {what}.", hint=hint)
    check_links({path.parent}, root, pointer)


def check_links(folders: Iterable[Path], root: Path, pointer: str) -> None:
    """Raise InputError if a folder is not in the repository after its links are followed."""
    for folder in folders:
        try:
            real = folder.resolve()
            leads_out = not real.is_relative_to(root) or is_forbidden(real.relative_to(root).parts)
            what = "a link that leads out of the repository" if leads_out else ""
        except (OSError, RuntimeError) as error:
            what = f"which cannot be resolved: {error}"
        if what:
            raise InputError(
                f"{quote(pointer)} tracks files in {quote(os.path.relpath(folder, root))}, {what}.",
                hint="Replace the link with a folder, or give the output another path.",
            )


def _check_sections(values: Mapping[str, Any], path: Path, workspace: Path) -> None:
    _check_options(values.get("core") or (), "core", path, workspace, allowed=OF_CORE)
    for name, options in (values.get("remote") or {}).items():
        if isinstance(options, Mapping):
            _check_options(options, f"the remote {quote(name)}", path, workspace)


def _check_options(
    options: Iterable[object], owner: str, path: Path, workspace: Path, *, allowed: Collection[str] = OF_REMOTES
) -> None:
    for option in map(str, options):
        # DVC ignores the case of options.
        if option.lower() not in allowed:
            shown = relative_to_workspace(path, workspace)
            message = f"{quote(shown)} sets {quote(option)} of {owner}, which a repository may not."
            raise InputError(message, hint=OWNER, file=shown, line=_line(path, shown, option))


def _line(path: Path, shown: str, option: str) -> int | None:
    """Return the line that sets an option; None if it is unknown, as in an imported repository."""
    pattern = re.compile(rf"\s*['\"]?{re.escape(option)}['\"]?\s*[=:]", re.IGNORECASE)
    try:
        lines = read_text(path, shown).splitlines()
    except InputError:
        return None
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)


def _is_ignored(path: Path) -> bool:
    """Return whether git ignores a file and does not track it: then no untrusted author committed it."""
    return git.run(Workspace(path.parent, os.environ), "check-ignore", "--quiet", "--", path.name).returncode == 0


def _guard_names(store: Any) -> None:
    """Check the names of objects, which become paths."""
    to_path = store.oid_to_path

    def checked(self: Any, oid: str) -> Any:
        if not isinstance(oid, str) or not _OBJECT_NAME.fullmatch(oid):
            raise InputError(f"{quote(oid)} is not a valid hash.", hint="Search for it in the `.dvc` files.")
        return to_path(self, oid)

    store.oid_to_path = checked
