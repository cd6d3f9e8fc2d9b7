"""The stand-ins for the actions of GitHub behave as these do."""

import tarfile

import pytest

from harness import Consumer, Machine, uses
from harness_tests.jobs import one_job, run_step


class TestCheckout:
    def test_what_is_committed_arrives_with_as_much_history_as_asked_for(self, consumer: Consumer) -> None:
        consumer.write(".gitignore", "*.log\n")
        consumer.write("kept.log", "tracked though ignored")
        consumer.git("add", "--force", "kept.log")
        consumer.commit("First")
        consumer.write("lost.log", "ignored")
        consumer.write("notebook.ipynb", "{}")
        history = run_step(
            """
            git -C "$FOLDER" rev-list --count HEAD
            git -C "$FOLDER" status --short --branch
            git -C "$FOLDER" remote get-url origin
            ls -A1 "$FOLDER"
            """,
            "env: {FOLDER: FOLDER-NAME}",
        )
        consumer.workflow(
            one_job(
                f"{{id: checkout, uses: {uses('actions/checkout')}}}",
                "id: shallow\n" + history.replace("FOLDER-NAME", "."),
                f"{{uses: {uses('actions/checkout')}, with: {{path: deep, fetch-depth: 0}}}}",
                "id: deep\n" + history.replace("FOLDER-NAME", "deep"),
            )
        )
        result = consumer.run()
        job = result.job("test")
        assert job.result == "success", result
        files = [".git", ".github", ".gitignore", "kept.log", "notebook.ipynb"]
        origin = "https://github.com/acme/penguins"
        assert job.step("shallow").log.split("\n") == ["1", "## main...origin/main", origin, *files]
        assert job.step("deep").log.split("\n") == ["2", "## main...origin/main", origin, *files]
        assert job.step("checkout").outputs["commit"] == consumer.git("rev-parse", "HEAD").strip()

    def test_another_repository_is_refused(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(f"{{uses: {uses('actions/checkout')}, with: {{repository: other/one}}}}"))
        result = consumer.run()
        assert result.job("test").result == "failure"
        assert "other/one" in result.annotations[0].message


class TestCache:
    @staticmethod
    def restore(key: str, more: str = "") -> str:
        return f"{{id: restore, uses: {uses('actions/cache/restore')}, with: {{path: data, key: {key}{more}}}}}"

    @staticmethod
    def save(key: str, content: str = "") -> tuple[str, str]:
        step = f"{{id: save, uses: {uses('actions/cache/save')}, with: {{path: data, key: {key}}}}}"
        return run_step(f"mkdir -p data && echo {content} > data/file"), step

    def test_miss_then_hit_then_prefix(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(self.restore("data-1"), *self.save("data-1", "one")))
        result = consumer.run()
        assert result.job("test").step("restore").outputs == {"cache-primary-key": "data-1"}
        assert [entry.key for entry in result.cache] == ["data-1"]

        show = run_step("cat data/file", "id: show")
        consumer.workflow(one_job(self.restore("data-1"), show))
        job = consumer.run().job("test")
        assert job.step("restore").outputs == {
            "cache-primary-key": "data-1",
            "cache-matched-key": "data-1",
            "cache-hit": "true",
        }
        assert job.step("show").log == "one"

        consumer.workflow(one_job(*self.save("data-2", "two")))
        consumer.run()
        consumer.workflow(one_job(self.restore("data-3", ', restore-keys: "other-\\ndata-"'), show))
        job = consumer.run().job("test")
        assert job.step("restore").outputs == {
            "cache-primary-key": "data-3",
            "cache-matched-key": "data-2",  # the newest
            "cache-hit": "false",
        }
        assert job.step("show").log == "two"

    def test_an_entry_never_changes(self, consumer: Consumer) -> None:
        again = [step.replace("id: save", "id: again") for step in self.save("key", "two")]
        consumer.workflow(one_job(*self.save("key", "one"), *again))
        result = consumer.run()
        assert result.job("test").result == "success"
        assert [note.message for note in result.annotations] == ["Cache save failed."]
        (entry,) = result.cache
        with tarfile.open(entry.files / "GITHUB_WORKSPACE.tar") as archive:
            file = archive.extractfile("data/file")
            assert file
            assert file.read() == b"one\n"

    def test_other_paths_are_another_cache(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(*self.save("key", "one"), self.restore("key").replace("path: data", "path: data/x")))
        assert "cache-hit" not in consumer.run().job("test").step("restore").outputs

    def test_a_look_up_restores_nothing_and_a_miss_can_be_a_failure(self, consumer: Consumer) -> None:
        consumer.workflow(
            one_job(
                *self.save("key", "one"),
                run_step("rm -r data"),
                self.restore("key", ", lookup-only: true"),
                run_step("test ! -e data"),
                self.restore("none", ", fail-on-cache-miss: true").replace("id: restore", "id: missed"),
            )
        )
        job = consumer.run().job("test")
        assert job.step("restore").outputs["cache-hit"] == "true"
        assert [step.outcome for step in job.steps] == ["success"] * 5 + ["failure"]
        assert "fail-on-cache-miss" in job.annotations[0].message

    def test_folders_outside_the_workspace_come_back_in_the_next_run(self, consumer: Consumer) -> None:
        step = f"{{id: cache, uses: {uses('actions/cache')}, with: {{path: '${{{{ runner.temp }}}}/env', key: e}}}}"
        make = run_step(
            'mkdir -p "$RUNNER_TEMP/env" && ln -sf target "$RUNNER_TEMP/env/link"',
            "if: steps.cache.outputs.cache-hit != 'true'",
        )
        consumer.workflow(one_job(step, make, run_step('readlink "$RUNNER_TEMP/env/link"', "id: show")))
        assert consumer.run().job("test").step("cache").outputs == {}
        job = consumer.run().job("test")
        assert job.step("cache").outputs == {"cache-hit": "true"}
        assert job.step("show").log == "target"
        assert "Cache hit occurred on the primary key e, not saving cache." in job.log


class TestArtifacts:
    def test_legs_upload_and_a_later_job_merges(self, consumer: Consumer) -> None:
        upload, download = uses("actions/upload-artifact"), uses("actions/download-artifact")
        consumer.workflow(f"""
            on: push
            jobs:
              make:
                strategy: {{matrix: {{leg: [a, b]}}}}
                runs-on: ubuntu-latest
                steps:
                  - run: |
                      mkdir -p out/deep out/.hidden
                      touch "out/deep/${{{{ matrix.leg }}}}.txt" out/.hidden/x out/not.log
                  - id: upload
                    uses: {upload}
                    with:
                      name: leg-${{{{ matrix.leg }}}}
                      path: |
                        out/**
                        !out/*.log
              collect:
                needs: make
                runs-on: ubuntu-latest
                steps:
                  - {{uses: {download}, with: {{pattern: "leg-*", path: merged, merge-multiple: true}}}}
                  - {{uses: {download}, with: {{pattern: "leg-*", path: apart}}}}
                  - {{uses: {download}, with: {{pattern: "*-b", path: only}}}}
                  - {{uses: {download}, with: {{name: leg-a, path: named}}}}
                  - {{id: show, run: find . -type f | sort}}
                  - {{id: none, uses: {download}, with: {{name: leg-c}}}}
        """)
        result = consumer.run()
        assert result.job("make", leg="a").step("upload").outputs.keys() == {
            "artifact-id",
            "artifact-url",
            "artifact-digest",
        }
        assert (result.artifact("leg-a") / "deep/a.txt").is_file()
        collect = result.job("collect")
        assert collect.step("show").log.split() == [
            "./apart/leg-a/deep/a.txt",
            "./apart/leg-b/deep/b.txt",
            "./merged/deep/a.txt",
            "./merged/deep/b.txt",
            "./named/deep/a.txt",
            "./only/deep/b.txt",
        ]
        assert collect.step("none").outcome == "failure"
        with pytest.raises(LookupError, match="leg-a"):
            result.artifact("leg-c")

    def test_names_are_used_once_hidden_files_on_request_and_nothing_found_as_wished(self, consumer: Consumer) -> None:
        def upload(identifier: str, more: str) -> str:
            action = uses("actions/upload-artifact")
            return f"{{id: {identifier}, continue-on-error: true, uses: {action}, with: {{{more}}}}}"

        consumer.workflow(
            one_job(
                run_step("mkdir -p out && echo 1 > out/a && echo 2 > out/.b && echo 3 > out/c"),
                upload("single", "path: out/a"),
                upload("again", "path: out/c"),
                upload("over", "path: out/c, overwrite: true"),
                upload("hidden", "name: hidden, path: out, include-hidden-files: true"),
                upload("warned", "name: w, path: none"),
                upload("ignored", "name: i, path: none, if-no-files-found: ignore"),
                upload("error", "name: e, path: none, if-no-files-found: error"),
                upload("badly-named", "name: 'a/b', path: out"),
            )
        )
        result = consumer.run()
        failed = {step.id for step in result.job("test").steps if step.outcome == "failure"}
        assert failed == {"again", "error", "badly-named"}
        assert [file.name for file in result.artifact("artifact").iterdir()] == ["c"]
        assert sorted(file.name for file in result.artifact("hidden").iterdir()) == [".b", "a", "c"]
        assert [note.level for note in result.job("test").step("warned").annotations] == ["warning"]
        assert result.job("test").step("ignored").annotations == []
        assert sorted(path.name for path in result.artifacts.iterdir()) == ["artifact", "hidden"]


class TestSetupPython:
    def test_the_job_gets_a_python_of_its_own_with_pip(self, consumer: Consumer, machine: Machine) -> None:
        version = max(machine.pythons, key=lambda text: [int(part) for part in text.split(".")])
        minor = version.rpartition(".")[0]
        consumer.workflow(
            one_job(
                f"{{id: python, uses: {uses('actions/setup-python')}, with: {{python-version: '{minor}'}}}}",
                run_step(
                    """
                    command -v python; echo "$pythonLocation/bin/python"
                    python --version
                    pip --version
                    python -c "import sys; assert sys.prefix != sys.base_prefix"
                    """,
                    "id: show",
                ),
                f"{{id: none, uses: {uses('actions/setup-python')}, with: {{python-version: '2.6'}}}}",
            )
        )
        result = consumer.run()
        job = result.job("test")
        first, second, told, pip = job.step("show").log.split("\n")
        assert first == second == job.step("python").outputs["python-path"]
        assert told == f"Python {version}"
        assert first.removesuffix("/bin/python") in pip
        assert job.step("python").outputs["python-version"] == version
        assert job.step("none").outcome == "failure"
