"""What predicts: a scorer of one of two kinds, and the temperature that makes its scores probabilities.

Texts are scored one by one and several at once on the cores, never as a batch. The 8-bit network takes the range of its
numbers from all that it is given together, so in a batch a text's score would depend on its neighbours; and a
text alone needs no padding, which on a CPU is worth more than a batch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol, Self
from zipfile import ZIP_DEFLATED

import numpy as np
import onnxruntime
from sklearn.pipeline import Pipeline
from tokenizers import Tokenizer

from . import NAME, calibration
from .calibration import Floats
from .errors import InputError
from .folders import read_json, write_json

# Types outside this package that your scikit-learn model may hold although skops does not vouch for them, by full name.
TRUSTED: tuple[str, ...] = ()
PIPELINE, NETWORK, TOKENIZER, EXPORT, ABOUT = (
    "model.skops", "model.onnx", "tokenizer.json", "export.json", "classifier.json",
)  # fmt: skip


class Scorer(Protocol):
    """What gives a text a score for each class."""

    kind: ClassVar[str]
    # What serving costs, to compare kinds by: the gate asks more of a costlier one.
    cost: ClassVar[int]
    classes: tuple[str, ...]
    export: Mapping[str, Any]

    def scores(self, texts: Sequence[str]) -> Floats:
        """Scores of n texts for the k classes, of which softmax makes probabilities."""

    def write(self, folder: Path) -> None:
        """Write what `read` needs."""

    @classmethod
    def read(cls, folder: Path, classes: tuple[str, ...]) -> Self:
        """The scorer that was written into a folder."""


class Tfidf:
    """A fitted scikit-learn pipeline of texts in and labels out."""

    kind: ClassVar[str] = "tfidf"
    cost: ClassVar[int] = 0

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.export: Mapping[str, Any] = {}
        self.classes = tuple(map(str, pipeline.classes_))

    def scores(self, texts: Sequence[str]) -> Floats:
        """See `Scorer`."""
        if not len(texts):  # which scikit-learn refuses
            return np.empty((0, len(self.classes)))
        likely = np.asarray(self.pipeline.predict_proba(texts), dtype=np.float64)
        return np.log(np.maximum(likely, np.finfo(np.float64).tiny))

    def write(self, folder: Path) -> None:
        """See `Scorer`.

        Raises:
            InputError: the model holds a type that is not trusted.
        """
        skops = _skops()
        content = skops.dumps(self.pipeline, compression=ZIP_DEFLATED)
        strangers = _strangers(skops.get_untrusted_types(data=content))
        if strangers:
            raise InputError(
                f"the model holds {', '.join(strangers)}: look at what that is, then add it to TRUSTED in classifier.py"
            )
        (folder / PIPELINE).write_bytes(content)

    @classmethod
    def read(cls, folder: Path, classes: tuple[str, ...]) -> Self:  # noqa: ARG003
        """See `Scorer`. Runs no code but that of the types that are trusted."""
        skops = _skops()
        found = skops.get_untrusted_types(file=folder / PIPELINE)
        return cls(skops.load(folder / PIPELINE, trusted=[name for name in found if name not in _strangers(found)]))


class Transformer:
    """A network in ONNX and its tokenizer.

    Args:
        network: the ONNX model: `input_ids` and `attention_mask` in, `logits` out.
        tokenizer: the content of tokenizer.json, which cuts what is too long.
        classes: the classes in the order of the logits.
        export: what was measured when the network was exported.
    """

    kind: ClassVar[str] = "transformer"
    cost: ClassVar[int] = 1

    def __init__(self, network: bytes, tokenizer: str, classes: tuple[str, ...], export: Mapping[str, Any]) -> None:
        self.network, self.classes, self.export = network, classes, export
        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # as many texts at once as there are cores, instead
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    def scores(self, texts: Sequence[str]) -> Floats:
        """See `Scorer`."""
        encoded = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.array(list(pool.map(self._score, encoded)), np.float64).reshape(-1, len(self.classes))

    def write(self, folder: Path) -> None:
        """See `Scorer`."""
        (folder / NETWORK).write_bytes(self.network)
        (folder / TOKENIZER).write_text(self.tokenizer.to_str(), encoding="utf-8")
        write_json(folder / EXPORT, dict(self.export))

    @classmethod
    def read(cls, folder: Path, classes: tuple[str, ...]) -> Self:
        """See `Scorer`."""
        tokenizer = (folder / TOKENIZER).read_text(encoding="utf-8")
        return cls((folder / NETWORK).read_bytes(), tokenizer, classes, read_json(folder / EXPORT))

    def _score(self, tokens: list[int]) -> Floats:
        ids = np.array([tokens], dtype=np.int64)
        (logits,) = self.session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return np.asarray(logits[0], dtype=np.float64)


KINDS: dict[str, type[Tfidf] | type[Transformer]] = {kind.kind: kind for kind in (Tfidf, Transformer)}


@dataclass(frozen=True)
class Classifier:
    """A scorer, and the temperature that turns its scores into probabilities."""

    scorer: Scorer
    temperature: float = 1.0

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it knows, in the order of the probabilities."""
        return self.scorer.classes

    @property
    def export(self) -> Mapping[str, Any]:
        """What was measured when the network was exported; empty where there is none."""
        return self.scorer.export

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """Probabilities of the k classes for n texts."""
        return calibration.probabilities(self.scorer.scores(texts), self.temperature)

    def write(self, folder: Path) -> None:
        """Write what `read` needs into a folder."""
        self.scorer.write(folder)
        about = {"kind": self.scorer.kind, "classes": self.classes, "temperature": self.temperature}
        write_json(folder / ABOUT, about)


def read(folder: Path) -> Classifier:
    """The classifier that was written into a folder."""
    about = read_json(folder / ABOUT)
    scorer = KINDS[about["kind"]].read(folder, tuple(about["classes"]))
    return Classifier(scorer, float(about["temperature"]))


def _skops() -> ModuleType:
    """The module skops.io, imported without PyTorch, and only where it is needed.

    For a list of scikit-learn's classes it imports all that is below scikit-learn, also the adapter for PyTorch; where
    that is installed, for training, it would cost every step several seconds.
    """
    adapter = "sklearn.externals.array_api_compat.torch"
    unneeded = adapter not in sys.modules and bool(sys.modules.setdefault(adapter, ModuleType(adapter)))
    try:
        return import_module("skops.io")
    finally:
        if unneeded:
            del sys.modules[adapter]


def _strangers(types: Sequence[str]) -> list[str]:
    """The types that nobody vouches for."""
    return [name for name in types if not name.startswith(f"{NAME}.") and name not in TRUSTED]
