"""The files that paths and globs name, each once, with kind, content hash and encoding.

Takes paths; gives InputFiles in a fixed order. A missing or corrupt file, or one of another kind
than its name says, is an error here, before anything is parsed.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from segpipe.core.errors import InputError

_BLOCK = 1 << 20
_KINDS = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".csv.gz": "text",
    ".tsv.gz": "text",
    ".txt.gz": "text",
    ".parquet": "parquet",
    ".xlsx": "excel",
}
_MAGIC = {
    b"PK\x03\x04": "a zip or Excel file",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"SQLite format 3": "a SQLite database",
}
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class InputFile:
    """A file to read; `encoding` is set for text that is not UTF-8."""

    path: Path
    kind: str  # text, parquet, excel
    sha256: str
    encoding: str | None = None
    has_mixed_breaks: bool = False  # several kinds of line breaks, which the engine refuses


REJECTS_ENDING = ".rejects.csv"


def find_files(paths: tuple[str, ...]) -> tuple[tuple[InputFile, ...], tuple[str, ...]]:
    """The files that `paths` (files or globs) name, and notes on those given twice.

    Files are in the order of `paths`, a glob's sorted. Raises InputError for what is missing,
    a folder, empty, of an unknown kind, or not what its name says. Among several paths, as from a
    shell's *.csv, files of rejects are skipped.
    """
    if not paths:
        raise InputError("No input file was named; name one or several files or globs.")
    files: dict[str, InputFile] = {}
    notes = []
    named = [path for path in paths if len(paths) == 1 or not path.endswith(REJECTS_ENDING)]
    for path in dict.fromkeys(item for given in named or paths for item in expand(given)):
        file = inspect_file(path)
        same = files.get(file.sha256)
        if same is None:
            files[file.sha256] = file
        else:
            notes.append(f"{path} is the same file as {same.path} and was read once.")
    return tuple(files.values()), tuple(notes)


def check_not_overwriting(target: Path | None, inputs: Iterable[Path], option: str) -> None:
    """Raise InputError where an output would overwrite an input."""
    if target and target.resolve() in {path.resolve() for path in inputs}:
        msg = f"{option} names the input {target}, which would be overwritten; name another file."
        raise InputError(msg)


def expand(given: str) -> list[Path]:
    """The path itself, or what a glob matches except files of rejects."""
    path = Path(given).expanduser()
    if path.exists():
        return [path]
    if not glob.has_magic(given):
        raise InputError(f"There is no file {given}; check the path.")
    found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - takes absolute patterns
    found = [item for item in found if item.is_file() and not item.name.endswith(REJECTS_ENDING)]
    if not found:
        raise InputError(f"No file matches {given}; check the pattern.")
    return found


def inspect_file(path: Path) -> InputFile:
    """Kind, hash and encoding of a file; raises InputError for what cannot be read."""
    if path.is_dir():
        msg = f"{path} is a folder; name a file, or a glob such as {path / '*.csv'}."
        raise InputError(msg)
    kind = next((k for end, k in _KINDS.items() if path.name.lower().endswith(end)), None)
    if kind is None:
        msg = f"{path.name} is of an unknown kind; expected one of {', '.join(_KINDS)}."
        raise InputError(msg)
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; expected a header and order lines.")
        _check_magic(path, kind)
        with ThreadPoolExecutor(1) as beside:  # hashing is half the work, and releases the GIL
            digest = beside.submit(_sha256, path)
            encoding = _encoding(path) if kind == "text" else None
            is_mixed = kind == "text" and encoding is None and _has_mixed_breaks(path)
        sha256 = digest.result()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return InputFile(path, kind, sha256, encoding, is_mixed)


def open_bytes(path: Path) -> BinaryIO:
    """Stream of a text file's bytes, unpacked where it is gzip."""
    if path.name.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def blocks(path: Path) -> Iterator[bytes]:
    """Blocks of a text file's bytes, unpacked; raises InputError for corrupt gzip."""
    try:
        with open_bytes(path) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is corrupt gzip ({error}); copy or export it again.") from error


def to_utf8(file: InputFile, folder: Path) -> Path:
    """Path of a text that the engine can read: the file itself, or a copy in `folder`.

    The copy is UTF-8, has one kind of line break, and as many lines as the file.
    """
    if file.encoding is None and not file.has_mixed_breaks:
        return file.path
    copy = folder / f"{file.sha256}.csv"
    with copy.open("wb") as target:
        rest = b""
        for block in _utf8_blocks(file):
            whole = rest + block
            rest = b"\r" if whole.endswith(b"\r") else b""  # its line feed may come next
            whole = whole.removesuffix(b"\r").replace(b"\r\n", b"\n")
            target.write(whole.replace(b"\r", b" "))
    return copy


def _utf8_blocks(file: InputFile) -> Iterator[bytes]:
    if file.encoding is None:
        yield from blocks(file.path)
        return
    decoder = codecs.getincrementaldecoder(file.encoding)("replace")
    for block in blocks(file.path):
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _has_mixed_breaks(path: Path) -> bool:
    n_returns = n_feeds = n_pairs = 0
    last = b""
    for block in blocks(path):
        if b"\r" in block or last == b"\r":
            n_returns += block.count(b"\r")
            n_feeds += block.count(b"\n")
            n_pairs += (last + block).count(b"\r\n")
        else:  # the usual case, kept cheap
            n_feeds += b"\n" in block
        last = block[-1:]
    # All pairs, all feeds, or all returns.
    return n_returns > 0 and n_feeds > 0 and not n_returns == n_feeds == n_pairs


def _check_magic(path: Path, kind: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(16)
    expected = {"text": (), "parquet": (b"PAR1",), "excel": (b"PK\x03\x04",)}[kind]
    if path.name.lower().endswith(".gz"):
        expected = (b"\x1f\x8b",)
    if any(start.startswith(magic) for magic in expected):
        return
    found = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
    if found is None and not expected:
        return
    wanted = {"text": "text", "parquet": "Parquet", "excel": "Excel"}[kind]
    if path.name.lower().endswith(".gz"):
        wanted = "gzip"
    msg = f"{path} is {found or 'corrupt or of another kind'}, but its name says {wanted}. "
    raise InputError(msg + "Export it again, or correct its name.")


def _encoding(path: Path) -> str | None:
    """None for UTF-8; else utf-16 by its mark, or cp1252 where no character is valid UTF-8.

    A UTF-8 file with a few broken bytes stays UTF-8: its broken lines are rejected one by one.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    n_bytes, is_valid, has_utf8 = 0, True, False
    for block in blocks(path):
        if n_bytes == 0 and block[:2] in _UTF16:
            return _UTF16[block[:2]]
        n_bytes += len(block)
        if b"\0" in block:
            msg = f"{path} contains NUL bytes, so it is not text; expected CSV. Export it again."
            raise InputError(msg)
        if block.isascii() and not decoder.getstate()[0]:
            continue
        try:
            has_utf8 |= not decoder.decode(block).isascii()
        except UnicodeDecodeError:
            is_valid = False
            decoder.reset()
            has_utf8 |= not block.decode("utf-8", "ignore").lstrip("\ufeff").isascii()
    if n_bytes == 0:
        raise InputError(f"{path} is empty; expected a header and order lines.")
    return None if is_valid or has_utf8 else "cp1252"
