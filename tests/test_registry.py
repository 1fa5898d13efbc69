"""The registry keeps a working champion whatever happens to the process, the disk or the files."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import time
from datetime import timedelta
from multiprocessing import forkserver
from pathlib import Path

import pytest
import sklearn
from conftest import NOW

from model.errors import (
    ModelCorruptError,
    ModelIncompatibleError,
    ModelMissingError,
    RegistryError,
)
from model.registry import Registry
from model.text import clean

KILLS = 50

children = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def quick_children():
    """Children are forked from a server that has imported everything once, instead of importing it each."""
    children.set_forkserver_preload(["test_registry"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        forkserver.ensure_running()


def promote_in_turns(folder, versions, times, started):
    registry = Registry(Path(folder))
    for n in range(times):
        registry.promote(versions[n % len(versions)], promoted_at=NOW + timedelta(seconds=n))
        started.set()


def start(target, *arguments):
    started = children.Event()
    child = children.Process(target=target, args=(*arguments, started))
    child.start()
    assert started.wait(60)
    return child


def test_an_artefact_that_loads_but_cannot_read_is_refused(registry, save, matrix, monkeypatch):
    version = save()
    registry.load(version, matrix)
    monkeypatch.delattr("model.word_classes.WordClasses.name")  # as if an earlier release had made the artefact
    with pytest.raises(ModelCorruptError, match="cannot be loaded"):
        registry.load(version, matrix)


def damage(path, how):
    if how == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "flip":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "delete":
        path.unlink()
    elif how == "garbage":
        path.write_bytes(b"\xff{")


def edit_manifest(registry, version, **changes):
    path = registry.folder / "versions" / version / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


class TestSaving:
    def test_what_is_saved_decides_the_same(self, registry, save, tiny, matrix, rules):
        version = save()
        texts = [clean(row.description) for row in matrix.issue_types]
        loaded = registry.load(version, matrix)
        assert loaded.decide(texts, rules) == tiny.model.named(version).decide(texts, rules)

    def test_decisions_come_back_by_digest_without_texts(self, registry, save, tiny_kept, tiny_examples):
        version = save()
        kept = registry.out_of_group(version)
        assert list(kept.index) == list(tiny_kept["digest"])
        file = registry.folder / "versions" / version / "out_of_group.csv"
        assert not [text for text in tiny_examples["text"] if text in file.read_text("utf-8")]

    def test_versions_stand_in_the_order_of_time(self, registry, save):
        saved = [save() for _ in range(3)]
        assert registry.versions() == saved

    def test_a_version_is_never_written_over(self, registry, save, tiny, tiny_kept):
        version = save()
        with pytest.raises(RegistryError, match=version):
            registry.save(tiny.model, created_at=NOW, data={}, metrics={}, out_of_group=tiny_kept)
        assert registry.versions() == [version]

    @pytest.mark.parametrize("name", ["", ".", "..", "../models", "a/b", ".hidden", "/etc"])
    def test_a_name_never_leads_out_of_the_folder(self, registry, save, name):
        save()
        with pytest.raises(RegistryError):
            registry.promote(name, promoted_at=NOW)


class TestLoading:
    @pytest.mark.parametrize(
        ("file", "how", "error"),
        [
            ("model.joblib", "truncate", ModelCorruptError),
            ("model.joblib", "flip", ModelCorruptError),
            ("model.joblib", "empty", ModelCorruptError),
            ("model.joblib", "delete", ModelMissingError),
            ("manifest.json", "empty", ModelCorruptError),
            ("manifest.json", "truncate", ModelCorruptError),
            ("manifest.json", "garbage", ModelCorruptError),
            ("manifest.json", "delete", RegistryError),
        ],
    )
    def test_a_damaged_version_does_not_load(self, registry, save, matrix, file, how, error):
        version = save()
        registry.promote(version, promoted_at=NOW)
        damage(registry.folder / "versions" / version / file, how)
        with pytest.raises(error, match=version):
            registry.load_champion(matrix)

    @pytest.mark.parametrize("how", ["empty", "truncate", "garbage"])
    def test_a_damaged_pointer_is_an_error_with_a_name(self, registry, save, matrix, how):
        registry.promote(save(), promoted_at=NOW)
        damage(registry.folder / "champion.json", how)
        with pytest.raises(ModelCorruptError, match=r"champion\.json"):
            registry.load_champion(matrix)
        assert registry.champion_or_none() is None

    def test_no_champion_is_an_error_with_a_name(self, registry, matrix):
        with pytest.raises(ModelMissingError):
            registry.load_champion(matrix)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"libraries": {"scikit-learn": "0.1"}}, f"0.1, here is {sklearn.__version__}"),
            ({"libraries": {}}, "None"),
            ({"matrix_sha256": "0" * 64}, "another matrix"),
            ({"format": 99}, "format"),
        ],
    )
    def test_another_library_or_matrix_is_refused_before_anything_is_unpickled(
        self, registry, save, matrix, changes, words
    ):
        version = save()
        edit_manifest(registry, version, **changes)
        damage(registry.folder / "versions" / version / "model.joblib", "empty")
        with pytest.raises(ModelIncompatibleError, match=words):
            registry.load(version, matrix)


class TestPromoting:
    def test_the_champion_knows_its_predecessors(self, registry, save):
        first, second = save(), save()
        for version in (first, second, first):
            registry.promote(version, promoted_at=NOW)
        champion = registry.champion()
        assert (champion.version, champion.previous) == (first, (second,))

    def test_force_is_remembered(self, registry, save):
        version = save()
        registry.promote(version, promoted_at=NOW, forced_despite=["worse"])
        assert registry.manifest(version)["promotions"] == [{"at": NOW.isoformat(), "forced_despite": ["worse"]}]

    @pytest.mark.parametrize("expected", ["", "other"])
    def test_only_over_the_champion_that_it_was_compared_with(self, registry, save, expected):
        first, second = save(), save()
        registry.promote(first, promoted_at=NOW, instead_of="")
        with pytest.raises(RegistryError, match=first):
            registry.promote(second, promoted_at=NOW, instead_of=expected)
        assert registry.champion().version == first
        registry.promote(second, promoted_at=NOW, instead_of=first)
        assert registry.champion().version == second

    def test_rollback_goes_back_one_by_one(self, registry, save):
        versions = [save() for _ in range(3)]
        for version in versions:
            registry.promote(version, promoted_at=NOW)
        assert [registry.rollback(promoted_at=NOW).version for _ in range(2)] == [versions[1], versions[0]]
        with pytest.raises(RegistryError, match="no earlier version"):
            registry.rollback(promoted_at=NOW)
        assert registry.champion().version == versions[0]

    def test_rollback_passes_over_versions_that_are_gone(self, registry, save):
        versions = [save() for _ in range(3)]
        for version in versions:
            registry.promote(version, promoted_at=NOW)
        shutil.rmtree(registry.folder / "versions" / versions[1])
        assert registry.rollback(promoted_at=NOW).version == versions[0]

    def test_prune_keeps_the_newest_the_champion_and_its_predecessor(self, registry, save, matrix):
        versions = [save() for _ in range(6)]
        registry.promote(versions[0], promoted_at=NOW)
        registry.promote(versions[1], promoted_at=NOW)
        assert registry.prune(keep=1) == versions[2:5]
        assert registry.versions() == [versions[0], versions[1], versions[5]]
        registry.load_champion(matrix)
        assert registry.rollback(promoted_at=NOW).version == versions[0]

    def test_prune_clears_what_a_killed_process_left(self, registry, save, matrix):
        registry.promote(save(), promoted_at=NOW)
        half = registry.folder / "versions" / ".writing-abc"
        half.mkdir()
        (half / "model.joblib").write_bytes(b"0")
        (registry.folder / ".writing-def").write_text("{", "utf-8")
        registry.prune(keep=1)
        assert not list(registry.folder.rglob(".writing-*"))
        registry.load_champion(matrix)


class TestMishaps:
    def test_killed_at_random_moments_there_is_always_a_working_champion(self, registry, save, matrix):
        versions = [save(), save()]
        registry.promote(versions[0], promoted_at=NOW)
        moments = random.Random(7)
        seen = set()
        for _ in range(KILLS):
            child = start(promote_in_turns, str(registry.folder), versions, 1_000_000)
            time.sleep(moments.uniform(0, 0.03))
            child.kill()
            child.join()
            assert child.exitcode == -9
            seen.add(registry.load_champion(matrix).version)
        assert seen == set(versions)  # else nothing was promoted, and the kills proved nothing
        registry.promote(versions[0], promoted_at=NOW)

    def test_two_promotions_at_once_lose_none(self, registry, save, matrix):
        versions, times = [save(), save()], 100
        both = [start(promote_in_turns, str(registry.folder), order, times) for order in (versions, versions[::-1])]
        for child in both:
            child.join()
            assert child.exitcode == 0
        assert sum(len(registry.manifest(v)["promotions"]) for v in versions) == 2 * times
        assert registry.load_champion(matrix).version in versions

    def test_a_file_that_may_not_grow_leaves_the_champion(self, registry, save, matrix):
        before = [save(), save()]
        registry.promote(before[0], promoted_at=NOW)
        child = start(write_with_small_files, str(registry.folder), before[1])
        child.join()
        assert child.exitcode == 0
        self.check_unharmed(registry, matrix, before)

    def test_a_full_disk_leaves_the_champion(self, tmp_path, save, registry, tiny, tiny_kept, matrix):
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]
        if os.geteuid() or subprocess.run(mount, check=False).returncode:
            pytest.skip("a small disk cannot be mounted without root")
        try:
            before = [save(), save()]
            registry.promote(before[0], promoted_at=NOW)
            shutil.copytree(registry.folder, disk / "models")
            full = Registry(disk / "models")
            with (disk / "filling").open("wb", buffering=0) as filling, pytest.raises(OSError, match="No space"):
                while True:
                    filling.write(b"0" * 4096)
            with pytest.raises(RegistryError, match="cannot be"):
                full.save(tiny.model, created_at=NOW + timedelta(days=1), data={}, metrics={}, out_of_group=tiny_kept)
            with pytest.raises(RegistryError, match="cannot be"):
                full.promote(before[1], promoted_at=NOW)
            self.check_unharmed(full, matrix, before)
            (disk / "filling").unlink()
            assert full.promote(before[1], promoted_at=NOW).version == before[1]
        finally:
            subprocess.run(["umount", disk], check=True)

    @staticmethod
    def check_unharmed(registry, matrix, versions):
        assert registry.load_champion(matrix).version == versions[0]
        assert registry.versions() == versions
        leftovers = [path.name for path in registry.folder.rglob(".*") if path.name != ".lock"]
        assert leftovers == []


def write_with_small_files(folder, version, started):
    registry = Registry(Path(folder))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    started.set()
    with pytest.raises(RegistryError, match="cannot be written"):
        registry.promote(version, promoted_at=NOW)
    with pytest.raises(RegistryError, match="cannot be saved"):
        registry._write_version("another", {"manifest.json": b"0" * 1000})
