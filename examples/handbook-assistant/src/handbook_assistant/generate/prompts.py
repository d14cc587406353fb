"""Prompts are Markdown files: numbers in the front matter, then the parts `# System` and `# User`.

Text that comes from outside is put in once and never looked at again for placeholders, so a question that says
{passages} stays a question. The fence around a passage carries a random mark, so no passage can close it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError
from ..schema import Chunk

PLACEHOLDERS = ("question", "passages")
_LAYOUT = re.compile(r"\A---\n(?P<front>.*?)^---\n\s*# System\n(?P<system>.*)^# User\n(?P<user>.*)\Z", re.DOTALL | re.M)
_PLACEHOLDER = re.compile(r"{(\w+)}")


class Settings(BaseModel):
    """The front matter. Without a temperature the model's own is used: some models take no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int = Field(ge=1)


@dataclass(frozen=True)
class Prompt:
    """A prompt file that was read. digest: SHA-256 of its bytes, in hexadecimal."""

    settings: Settings
    system: str
    user: str
    digest: str

    def messages(self, question: str, passages: Sequence[Chunk]) -> list[dict[str, str]]:
        """What a chat model is sent."""
        values = {"question": question, "passages": fenced(passages)}
        user = _PLACEHOLDER.sub(lambda found: values[found[1]], self.user)
        return [{"role": "system", "content": self.system}, {"role": "user", "content": user}]


def read(path: Path) -> Prompt:
    """Read and check a prompt file.

    Raises:
        InputError: it can't be read, its front matter is broken, or a part or a placeholder is missing or unknown.
    """
    try:
        content = path.read_bytes()
        text = content.decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the prompt {path}; give the path of a text file in UTF-8") from error
    layout = _LAYOUT.match(text)
    if layout is None:
        raise InputError(f"{path} has another form; write `---`, settings, `---`, `# System`, `# User` in this order")
    _check_placeholders(path, layout["system"], layout["user"])
    digest = hashlib.sha256(content).hexdigest()
    return Prompt(_settings(path, layout["front"]), layout["system"].strip(), layout["user"].strip(), digest)


def _settings(path: Path, front: str) -> Settings:
    try:
        values: Any = yaml.safe_load(front)
        return Settings.model_validate(values)
    except yaml.YAMLError as error:
        raise InputError(f"the front matter of {path} is not YAML; write lines such as `max_tokens: 700`") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "it"
        message = f"the front matter of {path} is wrong: {name}: {first['msg'].lower()}"
        raise InputError(f"{message}; it holds max_tokens and, if you like, temperature") from error


def _check_placeholders(path: Path, system: str, user: str) -> None:
    found = _PLACEHOLDER.findall(user)
    if sorted(found) != sorted(PLACEHOLDERS) or any(f"{{{name}}}" in system for name in PLACEHOLDERS):
        raise InputError(f"{path} must hold {{question}} and {{passages}} once each, below `# User`; correct it")


def fenced(passages: Sequence[Chunk]) -> str:
    """Passages as text, each between two lines that nobody can foresee."""
    mark = secrets.token_hex(8)
    return "\n\n".join(_fenced(number, chunk, mark) for number, chunk in enumerate(passages, start=1))


def _fenced(number: int, chunk: Chunk, mark: str) -> str:
    where = " > ".join(part for part in (chunk.title, chunk.heading) if part)
    updated = f" (updated {chunk.updated})" if chunk.updated else ""
    return f"passage {number} {mark}\n{where}{updated}\n\n{chunk.text}\nend {mark}"
