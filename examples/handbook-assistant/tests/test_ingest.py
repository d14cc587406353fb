"""Documents on their way into the index: only what changed is read and indexed again, and nothing is lost silently."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import Pipeline

from handbook_assistant import flavor, ingest, questions
from handbook_assistant.errors import InputError


@pytest.fixture
def small(project: Path) -> Path:
    """A project of five documents."""
    folder = project / "data/raw"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("canary", "drift", "gate", "deep/pager", "deep/quota")):
        text = f"# About {name}\n\nThe {name} matters in case number {number}. Ask the owner of the {name}.\n"
        (folder / f"{name}.md").write_text(text)
    return project


def passages(out: str) -> str:
    """What a training says of its passages."""
    (line,) = [line for line in out.splitlines() if "passages" in line]
    return line.partition("· ")[2]


def test_only_what_changed_is_done_again(small: Path, pipeline: Pipeline) -> None:
    """A second run reads and indexes what is new, what changed and what is gone, and says so."""
    assert "5, of which 5 were read anew" in pipeline("prepare").out
    assert passages(pipeline("train").out) == "5 new, 0 changed, 0 gone, 0 as they were"
    assert "5, of which 0 were read anew" in pipeline("prepare").out
    assert passages(pipeline("train").out) == "0 new, 0 changed, 0 gone, 5 as they were"

    source = small / "data/raw"
    (source / "new.txt").write_text("The zeppelin lands at noon.")
    (source / "drift.md").write_text("# About drift\n\nThe drift has been measured anew.\n")
    (source / "gate.md").unlink()
    assert "5, of which 2 were read anew" in pipeline("prepare").out
    assert passages(pipeline("train").out) == "1 new, 1 changed, 1 gone, 3 as they were"

    chain = flavor.load(small / "outputs/model")
    assert chain.answer("When does the zeppelin land?", ["everyone"]).citations[0].document == "new.txt"
    assert not [hit for hit in chain.index.search("gate", ["everyone"], 9) if hit.chunk.document == "gate.md"]


def test_the_index_is_that_of_a_fresh_build(small: Path, pipeline: Pipeline) -> None:
    """After changes the same passages are found, in the same order, as if everything had been indexed anew."""
    pipeline("prepare")
    pipeline("train")
    for name in ("canary", "drift"):
        (small / f"data/raw/{name}.md").write_text(f"# About {name}\n\nThe {name} is another one now, at noon.\n")
    pipeline("prepare")
    pipeline("train", "--model", "delta")
    pipeline("train", "--model", "fresh", "--set", "train.state=elsewhere")
    found = [
        [hit.chunk for hit in flavor.load(small / name).index.search("canary at noon", ["everyone"], 9)]
        for name in ("delta", "fresh")
    ]
    assert found[0] == found[1]


def test_what_cannot_be_read_is_set_aside(small: Path, pipeline: Pipeline) -> None:
    """Files that are no documents, copies and links in a circle are told with their reasons; the others are used."""
    source = small / "data/raw"
    (source / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (source / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (source / "again.md").write_bytes((source / "drift.md").read_bytes())
    (source / "circle").symlink_to(source, target_is_directory=True)
    done = pipeline("prepare", "--set", "prepare.rejected_at_most=0.5")
    assert done.code == 0, done
    rejected = pd.read_parquet(small / "outputs/data" / ingest.FILES[1]).set_index("id")["reason"]
    assert set(rejected.index) == {"picture.md", "broken.pdf", "drift.md"}
    assert rejected["picture.md"] == "binary, not text"
    assert rejected["drift.md"] == "the same as again.md"
    assert "picture.md is set aside: binary" in done.out


def test_too_many_broken_documents_stop(small: Path, pipeline: Pipeline) -> None:
    """An index of the few that could be read would be another one."""
    for number in range(5):
        (small / f"data/raw/{number}.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    pipeline("prepare").refused(2, "5 of 10 files", "rejected_at_most")
    assert not (small / "outputs").exists()


def test_damaged_documents_are_told(small: Path, pipeline: Pipeline) -> None:
    """What an earlier step wrote and somebody damaged is one line in training, and is read anew in preparing."""
    pipeline("prepare")
    (small / "outputs/data" / ingest.FILES[0]).write_bytes(b"PAR1")
    pipeline("train").refused(2, "documents.parquet", "pipeline prepare")
    assert "5 were read anew" in pipeline("prepare").out
    (small / "outputs/data" / ingest.FILES[0]).unlink()
    pipeline("train").refused(2, "documents.parquet", "pipeline prepare")


LINES = {
    "no JSON": ("what is it?", "line 1"),
    "no question": ('{"id": "1"}', "'kind'"),
    "a list": ("[1, 2]", "line 1"),
    "nothing": ("\n\n", "no questions"),
}


@pytest.mark.parametrize("name", LINES)
def test_bad_lines_are_told(name: str, tmp_path: Path) -> None:
    """A line that is no question is named by its number, with what is missing."""
    content, words = LINES[name]
    (tmp_path / "golden.jsonl").write_text(content)
    with pytest.raises(InputError, match=words):
        questions.golden(tmp_path / "golden.jsonl")


def test_questions_that_are_not_there_are_told(tmp_path: Path) -> None:
    """A missing file and one that is no text are one line each."""
    with pytest.raises(InputError, match="cannot read"):
        questions.attacks(tmp_path / "redteam.jsonl")
    (tmp_path / "redteam.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        questions.attacks(tmp_path / "redteam.jsonl")


def test_an_attack_with_the_id_of_a_question_is_refused(small: Path, pipeline: Pipeline) -> None:
    """One of the two would be lost."""
    path = small / "evals/redteam.jsonl"
    first = path.read_text().splitlines()[0]
    path.write_text(f"{first}\n{first}\n")
    pipeline("prepare").refused(2, "redteam.jsonl", "a-001")
