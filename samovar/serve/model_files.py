"""Telling model files from documents, by name and by content: they are never taken as uploads (loading one may run its author's code).

Knows nothing about uploads. Sources: the magic numbers of GGUF and its predecessors, HDF5 and NumPy; the layouts of safetensors,
PyTorch's ZIP archives and pickle.
"""

from __future__ import annotations

import json
import pickletools
import re
import zipfile
from pathlib import Path, PurePosixPath

SUFFIXES = frozenset(
    {".gguf", ".ggml", ".ggjt", ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".onnx", ".h5"}
    | {".hdf5", ".keras", ".tflite", ".npy", ".npz", ".mlmodel", ".llamafile", ".engine", ".msgpack", ".pb", ".params", ".nemo"}
)  # fmt: skip
"""Extensions of weights and of formats that carry code. ``.bin`` is what older model repositories call theirs."""

SUFFIXES_IN_ARCHIVES = frozenset(
    {".gguf", ".safetensors", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill"}
)
"""Inside a ZIP only what is nothing else: word processors keep harmless ``.bin`` parts in their packages."""

_MAGIC = (
    (b"GGUF", "GGUF"), (b"lmgg", "GGML"), (b"tjgg", "GGML"), (b"fmgg", "GGML"), (b"algg", "GGML"), (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\x93NUMPY", "NumPy"),
)  # fmt: skip
_HEAD_BYTES = 64 * 1024
_LONGEST_OLD_PICKLE = 4 * 2**20  # protocols 0 and 1 have no signature: they are read to their end, if they are short
_CODE_OPCODES = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD"})
_OLD_PICKLE_START = re.compile(rb"[(\]}lcdi]")


def name_model_file(name: str, path: Path | None = None) -> str:
    """Return what kind of model file this is, or "" when it is none. `path` is where its bytes are."""
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if suffix in SUFFIXES:
        return f"{suffix} file"
    return _look_inside(path) if path is not None else ""


def _look_inside(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return f"{kind} file"
    if _is_safetensors(head, path.stat().st_size):
        return "safetensors file"
    if head.startswith(b"PK"):
        return _look_into_zip(path)
    return "pickle" if _is_pickle(head, path) else ""


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= size - 8 and head[8:9] == b"{" and b'"data_offsets"' in head and b"\0" in head[:8]


def _look_into_zip(path: Path) -> str:
    """A PyTorch checkpoint is a ZIP with ``data.pkl`` in it."""
    try:
        with zipfile.ZipFile(path) as package:
            names = package.namelist()
    except Exception:  # broken in more ways than zipfile names; extraction reports it
        return ""
    inside = next((n for n in names if PurePosixPath(n).suffix.lower() in SUFFIXES_IN_ARCHIVES), "")
    return f"archive with {json.dumps(PurePosixPath(inside).name[:80], ensure_ascii=False)}" if inside else ""


def _is_pickle(head: bytes, path: Path) -> bool:
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if not _OLD_PICKLE_START.match(head) or path.stat().st_size > _LONGEST_OLD_PICKLE:
        return False
    return _has_code(path.read_bytes())


def _has_code(data: bytes) -> bool:
    """Whether the bytes parse as a pickle that calls or builds something (nothing is run: the opcodes are only listed)."""
    found = False
    try:
        for opcode, _, _ in pickletools.genops(data):
            found = found or opcode.name in _CODE_OPCODES
            if opcode.name == "STOP":
                return found
    except Exception:  # no pickle: text
        return False
    return False
