"""The cache of unpacked files, and downloads (from a server of our own on this machine)."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.data import Dataset, DataSettings, idx, load, mnist
from nnexp.data.cache import recheck
from nnexp.errors import InputError

IMAGES = "t10k-images-idx3-ubyte"
DIGESTS = dict(zip(idx.FILES, mnist.PUBLICATIONS["mnist"].raw, strict=True))

# What a worker does: it waits for the starting gun, loads MNIST and prints a digest of it.
WORKER = """
import hashlib, os, sys, time
from nnexp.data import DataSettings, load
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
small = load(DataSettings.from_mapping({"name": "mnist", "train_size": 200}))
print(hashlib.sha256(small.train.x.tobytes() + small.test.x.tobytes()).hexdigest())
"""


def small_mnist() -> Dataset:
    return load(DataSettings.from_mapping({"name": "mnist", "train_size": 200}))


def digest(small: Dataset) -> str:
    return hashlib.sha256(small.train.x.tobytes() + small.test.x.tobytes()).hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_workers(count: int, cache: Path, gun: Path) -> list[str]:
    """Return what ``count`` processes print that load MNIST through ``cache`` at once."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(gun)],
            env={**os.environ, "NNEXP_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    gun.touch()
    outputs = [worker.communicate()[0].strip() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * count
    return outputs


@pytest.fixture(scope="module")
def expected() -> str:
    """The digest of a small MNIST that is read from the packaged files, without any cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNEXP_CACHE", str(Path(__file__) / "no-folder"))
        return digest(small_mnist())


@pytest.mark.slow
def test_four_processes_unpack_at_once(tmp_path: Path, expected: str) -> None:
    cache = tmp_path / "cache"
    assert run_workers(4, cache, tmp_path / "gun") == [expected] * 4
    names = {path.name for path in (cache / "mnist").iterdir()}
    assert names == {*DIGESTS, *(f"{name}.seal" for name in DIGESTS)}
    assert {name: sha256(cache / "mnist" / name) for name in DIGESTS} == DIGESTS


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("NNEXP_CACHE", str(file / "x"))
    assert digest(small_mnist()) == expected
    assert file.read_bytes() == b""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("unpacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNEXP_CACHE", str(cache))
        small_mnist()
    return cache


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    replace(path, bytes(content))


def flip_unsealed(path: Path) -> None:
    path.with_name(f"{IMAGES}.seal").unlink()
    flip(path)


def replace(path: Path, content: bytes) -> None:
    """Write a new file in the place of ``path``, which other tests may have mapped."""
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(flip, id="altered"),
        pytest.param(lambda path: path.unlink(), id="missing"),
        *(
            pytest.param(harm, id=name, marks=pytest.mark.slow)
            for name, harm in {
                "truncated": lambda path: replace(path, path.read_bytes()[:-1]),
                "emptied": lambda path: replace(path, b""),
                "unsealed": lambda path: path.with_name(f"{IMAGES}.seal").unlink(),
                "bad seal": lambda path: path.with_name(f"{IMAGES}.seal").write_text("nonsense"),
                "both": flip_unsealed,
            }.items()
        ),
    ],
)
def test_a_damaged_cache_is_noticed_and_rebuilt(
    harm: Any, unpacked: Path, tmp_path: Path, expected: str
) -> None:
    harm(unpacked / "mnist" / IMAGES)
    assert run_workers(1, unpacked, tmp_path / "gun") == [expected]
    assert sha256(unpacked / "mnist" / IMAGES) == DIGESTS[IMAGES]
    assert (unpacked / "mnist" / f"{IMAGES}.seal").read_text().startswith(DIGESTS[IMAGES] or "?")


@pytest.mark.slow
def test_a_recheck_finds_what_was_altered_behind_a_seal(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected: str
) -> None:
    monkeypatch.setenv("NNEXP_CACHE", str(unpacked))
    assert recheck() == []
    path = unpacked / "mnist" / IMAGES
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run_workers(1, unpacked, tmp_path / "gun") != [expected]  # size and time are believed
    assert recheck() == [path]
    assert recheck() == []
    assert run_workers(1, unpacked, tmp_path / "gun") == [expected]
    assert sha256(path) == DIGESTS[IMAGES]


def test_whole_files_are_not_unpacked_again(unpacked: Path, tmp_path: Path, expected: str) -> None:
    def inodes() -> list[int]:
        return [path.stat().st_ino for path in sorted((unpacked / "mnist").iterdir())]

    before = inodes()
    assert run_workers(1, unpacked, tmp_path / "gun") == [expected]
    assert inodes() == before


@pytest.mark.parametrize("harm", ["truncated", "altered", "missing"])
def test_a_damaged_package_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: str
) -> None:
    package = tmp_path / "package"
    shutil.copytree(mnist.PACKAGED, package)
    archive = package / f"{IMAGES}.gz"
    whole = archive.read_bytes()
    archive.unlink()
    if harm == "truncated":
        archive.write_bytes(whole[:-100])
    elif harm == "altered":
        archive.write_bytes(gzip.compress(gzip.decompress(whole)[:-1] + b"\1", 1))
    monkeypatch.setattr(mnist, "PACKAGED", package)
    monkeypatch.setenv("NNEXP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=f"{IMAGES}.gz is (missing|not the published)") as caught:
        small_mnist()
    assert "install nnexp again" in str(caught.value)
    assert not (tmp_path / "cache" / "mnist" / IMAGES).exists()


# Downloads


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve files without a log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing."""


def small_files() -> dict[str, bytes]:
    """Return a tiny set in IDX files: 20 training and 10 test images of 2x2 pixels."""
    files = {}
    for part, n in (("train", 20), ("t10k", 10)):
        pixels = np.arange(4 * n, dtype=np.uint8).tobytes()
        files[f"{part}-images-idx3-ubyte"] = struct.pack(">4i", 2051, n, 2, 2) + pixels
        labels = bytes(i % 2 for i in range(n))
        files[f"{part}-labels-idx1-ubyte"] = struct.pack(">2i", 2049, n) + labels
    return files


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve ``right/`` (the gzipped small files) and ``wrong/`` (others of the same names)."""
    for folder in ("right", "wrong"):
        (tmp_path / "www" / folder).mkdir(parents=True)
        for name, raw in small_files().items():
            content = gzip.compress(raw if folder == "right" else b"wrong", mtime=0)
            (tmp_path / "www" / folder / f"{name}.gz").write_bytes(content)
    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that publishes the small files as Fashion-MNIST, at given mirrors."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NNEXP_CACHE", str(tmp_path / "cache"))

    def do(*mirrors: str, raw_known: bool = True) -> None:
        raws = small_files().values()
        zipped = [hashlib.sha256(gzip.compress(raw, mtime=0)).hexdigest() for raw in raws]
        known = [hashlib.sha256(raw).hexdigest() if raw_known else None for raw in raws]
        entry = mnist.Publication("Fashion-MNIST", mirrors, tuple(zipped), tuple(known))
        monkeypatch.setitem(mnist.PUBLICATIONS, "fashion_mnist", entry)

    return do


def fashion(root: Path | None = None) -> Dataset:
    values = {"name": "fashion_mnist", "root": None if root is None else str(root), "scale": "raw"}
    return load(DataSettings.from_mapping(values))


@pytest.mark.parametrize("raw_known", [True, False])
def test_files_come_from_the_first_mirror_that_has_them(
    server: str,
    publish: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    raw_known: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:
    gone, closed = f"{server}/gone/", "http://127.0.0.1:9/"
    publish(closed, gone, f"{server}/wrong/", f"{server}/right/", raw_known=raw_known)
    got = fashion()
    assert got.train.x.shape == (20, 4)
    assert got.train.x.reshape(-1).tolist() == list(range(80))
    assert got.test.labels.tolist() == [0, 1] * 5
    assert capfd.readouterr() == ("", "")
    # Once they are there nothing is asked of the mirrors, however the cache is reached.
    publish(closed, raw_known=raw_known)
    (tmp_path / "again").symlink_to(tmp_path / "cache")
    monkeypatch.setenv("NNEXP_CACHE", str(tmp_path / "again"))
    again = fashion()
    assert again is not got
    assert again.description == got.description


def test_without_a_connection_one_sentence_says_what_to_do(
    publish: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    publish("http://127.0.0.1:9/", "http://localhost:9/")
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        fashion()
    assert time.monotonic() - start < 5
    sentence = str(caught.value)
    assert "127.0.0.1 cannot be reached; localhost cannot be reached" in sentence
    assert all(f"{name}.gz" in sentence for name in idx.FILES)
    assert str(tmp_path / "cache" / "fashion_mnist") in sentence
    assert "data.root=FOLDER" in sentence
    assert "\n" not in sentence
    assert capfd.readouterr() == ("", "")


def test_mirrors_without_the_file_are_named(server: str, publish: Any) -> None:
    publish(f"{server}/gone/", f"{server}/wrong/")
    with pytest.raises(InputError, match=r"returned 404; 127\.0\.0\.1 has another file"):
        fashion()


def test_a_cache_for_downloads_must_be_writable(
    server: str, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(f"{server}/right/")
    monkeypatch.setenv("NNEXP_CACHE", str(Path(__file__) / "no-folder"))
    with pytest.raises(InputError, match="set NNEXP_CACHE to a writable folder"):
        fashion()


def test_files_put_into_the_cache_by_hand_are_taken(publish: Any, tmp_path: Path) -> None:
    publish("http://127.0.0.1:9/")
    folder = tmp_path / "cache" / "fashion_mnist"
    folder.mkdir(parents=True)
    for name, raw in small_files().items():  # compressed in another way than was published
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw, 1))
    assert fashion().train.x.shape == (20, 4)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_folder_serves_instead_of_a_download(publish: Any, tmp_path: Path, zipped: bool) -> None:
    publish("http://127.0.0.1:9/")
    for name, raw in small_files().items():
        if zipped:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(raw, 1))
        else:
            (tmp_path / name).write_bytes(raw)
    assert fashion(tmp_path).train.x.shape == (20, 4)


def test_a_folder_with_another_set_is_refused(publish: Any, tmp_path: Path) -> None:
    publish("http://127.0.0.1:9/")
    for name, raw in small_files().items():
        (tmp_path / name).write_bytes(raw[:-1] + b"\1")
    with pytest.raises(InputError, match=f"{idx.FILES[0]} is not Fashion-MNIST's file"):
        fashion(tmp_path)


def test_archives_are_checked_where_only_their_digest_is_known(
    publish: Any, tmp_path: Path
) -> None:
    publish("http://127.0.0.1:9/", raw_known=False)
    for name, raw in small_files().items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(raw, mtime=0))
    assert fashion(tmp_path).test.x.shape == (10, 4)
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(small_files()[IMAGES], 1, mtime=0))
    with pytest.raises(InputError, match=f"{IMAGES}.gz is not Fashion-MNIST's file"):
        fashion(tmp_path)
