"""MNIST, included in nnexp, and two data sets in its format, downloaded at first use.

MNIST: LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition,
Proceedings of the IEEE 86 (1998). Fashion-MNIST: Xiao, Rasul, Vollgraf, arXiv:1708.07747.
Kuzushiji-MNIST: Clanuwat et al., Deep learning for classical Japanese literature,
arXiv:1812.01718.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nnexp.data import cache, download, idx
from nnexp.data.base import Kind, Raw, Source, Stamp, checksum, user_path
from nnexp.data.cache import Content
from nnexp.errors import InputError

PACKAGED = Path(__file__).parent / "files"
_PIXELS = (0.0, 255.0)
_SHAPE = (28, 28)


@dataclass(frozen=True)
class Publication:
    """A published data set, with the SHA-256 digests of its four files, ordered as ``idx.FILES``.

    ``raw`` are the digests of the unpacked files, ``archives`` those of the published gzip files.
    For each file, one of the two may be unknown (``None``).
    """

    title: str
    mirrors: tuple[str, ...]  # tried in turn
    archives: tuple[str | None, ...]
    raw: tuple[str | None, ...]


PUBLICATIONS = {
    "mnist": Publication(
        title="MNIST",
        mirrors=(),
        archives=(None,) * 4,
        raw=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion_mnist": Publication(
        title="Fashion-MNIST",
        mirrors=(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        archives=(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        raw=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    "kmnist": Publication(
        title="Kuzushiji-MNIST",
        mirrors=(
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "https://web.archive.org/web/2022id_/http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        archives=(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
        raw=(None,) * 4,
    ),
}


@dataclass(frozen=True)
class Published:
    """The source of a published data set: the package, the cache, a mirror or ``root``."""

    name: str
    root: str | None = None

    def state(self) -> Hashable:
        """Return the stamps of the files in ``root``, or else the cache folder."""
        return self._folder() if self.root is None else idx.stamps(self.root)

    def read(self, seed: int) -> Raw:
        """Return the examples, after verifying every file."""
        if self.root is None:
            return _from_cache(self.name, self._folder())
        return _from_folder(self.name, idx.stamps(self.root))

    def _folder(self) -> str:
        return str(cache.folder() / self.name)


@functools.lru_cache(maxsize=4)
def _from_cache(name: str, folder: str) -> Raw:
    publication = PUBLICATIONS[name]
    contents = []
    for file, archive, raw in zip(idx.FILES, publication.archives, publication.raw, strict=True):
        path = Path(folder, file)
        found = cache.lookup(path, raw)
        if found is None and publication.mirrors:
            found = _unpack_download(name, path, archive, raw)
        elif found is None:
            found = cache.keep(idx.unpacked(PACKAGED / f"{file}.gz"), path, raw)
        contents.append(found)
    return idx.assemble(contents, _PIXELS)


def _unpack_download(name: str, path: Path, archive: str | None, raw: str | None) -> Content:
    """Return the content of a file, downloading it unless its archive is in the cache."""
    target = path.with_name(f"{path.name}.gz")
    if raw is not None and target.is_file():
        try:
            return cache.keep(idx.unpacked(target), path, raw)
        except InputError:
            pass  # damaged: download it again
    download.fetch(name, PUBLICATIONS[name].mirrors, target, archive, idx.FILES)
    return cache.keep(idx.unpacked(target), path, raw)


@functools.lru_cache(maxsize=2)
def _from_folder(name: str, files: tuple[Stamp, ...]) -> Raw:
    publication = PUBLICATIONS[name]
    contents = []
    for file, archive, raw in zip(files, publication.archives, publication.raw, strict=True):
        found = idx.content(file)
        valid = found.sha256 == raw if raw is not None else True
        if raw is None and file.path.endswith(".gz"):
            valid = checksum(file) == archive
        if not valid:
            raise InputError(
                f"{file.path} is not {publication.title}'s file (its SHA-256 is "
                f"{found.sha256}): download it again, or read another set with data=idx"
            )
        contents.append(found)
    return idx.assemble(contents, _PIXELS)


def _kind(name: str) -> Kind:
    def make(values: Mapping[str, object]) -> Source:
        root = values["root"]
        return Published(name, None if root is None else user_path("root", root))

    return Kind({"root": None}, make, image_shape=_SHAPE)


KINDS = {
    "mnist": Kind({}, lambda values: Published("mnist"), shipped=True, image_shape=_SHAPE),
    "fashion_mnist": _kind("fashion_mnist"),
    "kmnist": _kind("kmnist"),
}
