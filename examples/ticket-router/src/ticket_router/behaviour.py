"""Behavioural tests of a text classifier: small questions whose answers are known beforehand.

Source: Ribeiro, Wu, Guestrin and Singh, Beyond Accuracy: Behavioral Testing of NLP Models with CheckList (ACL 2020).
Three kinds, because a high accuracy hides each of them: minimum functionality (a text that leaves no doubt must be
right), invariance (what does not change the meaning must not change the answer) and direction (what changes the
meaning must move the answer that way). The words are in expectations.py. The same rows give the same cases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from . import expectations, schema
from .errors import InputError
from .metrics import PREFIX

# From n rows of model inputs to n rows: `prediction` and `probability_<class>`.
Predict: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]
# To a text that means the same; to the same text where there is nothing to change.
Change: TypeAlias = Callable[[str, np.random.Generator], str]

MINIMUM, INVARIANCE, DIRECTION = KINDS = ("minimum", "invariance", "direction")
SEED = 0
# Rows of the test set that are asked again in other words, and how many of these for each direction.
ROWS, ROWS_A_DIRECTION = 60, 10
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


class Case(NamedTuple):
    """One question: for minimum functionality the original is the text itself; invariance has no label."""

    kind: str
    name: str
    original: str
    text: str
    label: str | None


def run(predict: Predict, rows: pd.DataFrame) -> pd.DataFrame:
    """Ask the model all cases, at once.

    Args:
        predict: the model.
        rows: test rows with their labels; a part of them is asked again in other words.

    Returns:
        A row a case: the fields of `Case`, the answer `before` (to the original) and `after` (to the text), and
        whether it `passed`.

    Raises:
        InputError: expectations.py names a label that schema.py does not know.
    """
    cases = pd.DataFrame(_cases(rows), columns=Case._fields)
    texts = pd.unique(pd.concat([cases["original"], cases["text"]]))
    answers = predict(pd.DataFrame({"text": texts})).set_axis(texts)
    before, after = (answers.loc[cases[name]].reset_index(drop=True) for name in ("original", "text"))
    right = after["prediction"] == cases["label"]
    same = after["prediction"] == before["prediction"]
    raised = _probability(after, cases["label"]) > _probability(before, cases["label"])
    passed = np.select([cases["kind"] == MINIMUM, cases["kind"] == INVARIANCE], [right, same], raised)
    return cases.assign(before=before["prediction"], after=after["prediction"], passed=passed)


def summary(outcomes: pd.DataFrame) -> pd.DataFrame:
    """A row a group of cases: `kind`, `name`, how many `cases`, how many `passed`, and the `rate` of the two."""
    groups = outcomes.groupby(["kind", "name"], sort=False)["passed"]
    return groups.agg(cases="size", passed="sum", rate="mean").reset_index()


def rates(outcomes: pd.DataFrame) -> dict[str, float]:
    """The share of each kind's cases that passed: behaviour_minimum, …. Not a number where there are none."""
    return {f"behaviour_{kind}": float(outcomes.loc[outcomes["kind"] == kind, "passed"].mean()) for kind in KINDS}


def changes() -> dict[str, Change]:
    """What must not change the answer, by name."""
    around = {name: partial(_put, frame) for name, frame in expectations.AROUND.items()}
    return {
        "typo": partial(misspelt, slips=1),
        "capitals": lambda text, _: text.upper(),
        "no capitals": lambda text, _: text.lower(),
        "white space": lambda text, _: f" {text.replace(' ', '  ')}\n",
        "other words": partial(_replaced, _next(expectations.INTERCHANGEABLE)),
        "contractions": partial(_replaced, _next(expectations.CONTRACTIONS)),
        **around,
    }


def misspelt(text: str, generator: np.random.Generator, slips: int) -> str:
    """A text with so many slips of the pen, but at most one for every second letter.

    A slip leaves out, adds, replaces or transposes a letter: four in five misspellings are a single one of these
    (Damerau, A technique for computer detection and correction of spelling errors, 1964).
    """
    letters = [position for position, sign in enumerate(text) if sign.isalpha()]
    chosen = generator.choice(letters, min(slips, len(letters) // 2), replace=False)
    for position in sorted(chosen, reverse=True):
        text = _slip(text, position, generator)
    return text


def _slip(text: str, at: int, generator: np.random.Generator) -> str:
    start, sign, rest = text[:at], text[at], text[at + 1 :]
    others = ALPHABET.replace(sign.lower(), "")
    other = others[generator.integers(len(others))]
    # Equal signs, and the last one, can't be transposed to another text.
    transposed = other + rest if rest[:1] in ("", sign) else rest[0] + sign + rest[1:]
    return start + (rest, other + sign + rest, other + rest, transposed)[generator.integers(4)]


def _cases(rows: pd.DataFrame) -> list[Case]:
    _known({*expectations.MINIMUM, *expectations.TOWARDS})
    sampled = rows.sample(min(ROWS, len(rows)), random_state=SEED)
    minimum = list(_minimum())
    texts = [*sampled["text"], *(case.text for case in minimum)]
    return [*minimum, *_invariance(texts), *_direction(sampled)]


def _known(labels: set[str]) -> None:
    unknown = sorted(labels - set(schema.CLASSES))
    if unknown:
        raise InputError(
            f"expectations.py names {', '.join(unknown)}, not among the CLASSES of schema.py: "
            "give the texts there labels of yours, or take them out"
        )


def _minimum() -> Iterator[Case]:
    for label, texts in expectations.MINIMUM.items():
        yield from (Case(MINIMUM, label, text, text, label) for text in texts)


def _invariance(texts: Sequence[str]) -> Iterator[Case]:
    for name, change in changes().items():
        generator = np.random.default_rng(SEED)
        pairs = [(text, change(text, generator)) for text in texts]
        yield from (Case(INVARIANCE, name, text, changed, None) for text, changed in pairs if changed != text)


def _direction(rows: pd.DataFrame) -> Iterator[Case]:
    for label, sentence in expectations.TOWARDS.items():
        others = rows.loc[rows[schema.TARGET] != label, "text"].head(ROWS_A_DIRECTION)
        yield from (Case(DIRECTION, label, text, f"{text} {sentence}", label) for text in others)


def _probability(answers: pd.DataFrame, labels: pd.Series) -> pd.Series:
    """The probability of each row's own label. Not a number without one, or when the model has never seen it."""
    known = answers.filter(like=PREFIX)
    columns = known.columns.get_indexer(pd.Index(PREFIX + labels.astype("string").fillna("")))
    # Where there is no such column, its position is -1: the one that is added at the end.
    padded = np.column_stack([known.to_numpy(float), np.full(len(known), np.nan)])
    return pd.Series(padded[np.arange(len(known)), columns])


def _put(frame: str, text: str, _: np.random.Generator) -> str:
    return frame.replace("{}", text)


def _next(lines: Sequence[Sequence[str]]) -> dict[str, str]:
    """Each word, in small letters, with the next of its line; the last with the first."""
    return {word.lower(): line[(place + 1) % len(line)] for line in lines for place, word in enumerate(line)}


def _replaced(words: Mapping[str, str], text: str, _: np.random.Generator) -> str:
    """Each of the words replaced, with a capital where there was one."""
    if not words:
        return text

    def other(found: re.Match[str]) -> str:
        word = words[found[0].lower()]
        return (word[0].upper() if found[0][0].isupper() else word[0].lower()) + word[1:]

    longest_first = sorted(words, key=len, reverse=True)
    return re.sub(rf"\b({'|'.join(map(re.escape, longest_first))})\b", other, text, flags=re.IGNORECASE)
