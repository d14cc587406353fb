"""What happens to a text between the head and the database: slips of the finger, short forms, dictation.

Each function returns a new text and takes all its chance from the generator it is given.
"""

from __future__ import annotations

import re
from random import Random

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS = {
    key: row[max(0, place - 1) : place] + row[place + 1 : place + 2] for row in KEYS for place, key in enumerate(row)
}
SHORT = {
    "and": "n",
    "are": "r",
    "because": "bc",
    "don't know": "dunno",
    "going to": "gonna",
    "message": "msg",
    "number": "no.",
    "password": "pw",
    "please": "pls",
    "tomorrow": "tmrw",
    "want to": "wanna",
    "you": "u",
    "your": "ur",
}
# What a machine that takes dictation hears.
HEARD = {
    "address": "a dress",
    "charged": "charge",
    "courier": "career",
    "four": "for",
    "here": "hear",
    "invoice": "in voice",
    "mail": "male",
    "order": "other",
    "parcel": "partial",
    "refund": "re fund",
    "reset": "re set",
    "sent": "cent",
    "their": "there",
    "two": "to",
    "wait": "weight",
    "whole": "hole",
}
FILLERS = ("um", "uh", "you know", "like", "I mean", "erm", "well")
NAMES = ("oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def typos(text: str, chance: Random, share: float) -> str:
    """Give about this share of the words one slip: a neighbouring key, a letter lost, doubled or swapped."""
    return " ".join(
        _slip(word, chance) if len(word) > 3 and chance.random() < share else word for word in text.split(" ")
    )


def shortened(text: str, chance: Random, share: float) -> str:
    """Write about this share of the words that have a short form in that form."""
    return _replaced(text, SHORT, chance, share)


def unpunctuated(text: str) -> str:
    """Leave out commas, full stops and the like."""
    return re.sub(r"[.,;:!?]+(?=\s|$)", "", text)


def dictated(text: str, chance: Random) -> str:
    """As speech recognition writes it: no punctuation, digits as words, fillers, false starts, words misheard."""
    text = re.sub(r"[^\w\s']", " ", text.replace("#", "").lower())
    text = re.sub(r"[0-9]", lambda digit: f" {NAMES[int(digit[0])]} ", text)
    words: list[str] = []
    for word in _replaced(text, HEARD, chance, 0.15).split():
        if chance.random() < 0.05:
            words.append(chance.choice([*FILLERS, word]))
        words.append(word)
    return " ".join(words)


def _slip(word: str, chance: Random) -> str:
    place = chance.randrange(1, len(word) - 1)
    letter = word[place]
    return word[:place] + chance.choice((
        chance.choice(NEIGHBOURS.get(letter.lower(), letter)) + word[place + 1 :],
        word[place + 1 :],
        letter + word[place:],
        word[place + 1] + letter + word[place + 2 :],
    ))  # fmt: skip


def _replaced(text: str, forms: dict[str, str], chance: Random, share: float) -> str:
    pattern = rf"\b({'|'.join(sorted(forms, key=len, reverse=True))})\b"
    return re.sub(pattern, lambda found: forms[found[0]] if chance.random() < share else found[0], text)
