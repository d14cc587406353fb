"""The embedded index: what is found, who may see it, and what happens to the file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handbook_assistant.errors import InputError
from handbook_assistant.index.base import Index
from handbook_assistant.index.sqlite import FILE, SqliteIndex
from handbook_assistant.schema import Chunk

SUBJECTS = {
    "canary": "A canary release sends a small share of the traffic to the new version.",
    "rollback": "A rollback brings the former version back within minutes.",
    "drift": "Data drift is a change of the inputs between training and serving.",
    "label": "Two labellers mark the same picture, and their agreement is measured.",
    "quantile": "The population stability index compares two histograms.",
    "café": "The café serves naïve questions, don't ask for max_iter there.",
}
EVERYONE = ["everyone"]


def chunk(name: str, text: str, groups: Sequence[str] = EVERYONE) -> Chunk:
    """A chunk of a document of its own."""
    digest = sha256(f"{text}{groups}".encode()).hexdigest()
    return Chunk(name, f"{name}.md", name.title(), "What it is", text, tuple(groups), "2026-09-14", digest)


def corpus() -> list[Chunk]:
    """Some public chunks and one for the people group."""
    public = [chunk(name, text) for name, text in SUBJECTS.items()]
    return [*public, chunk("salary", "The salary band of level M3 starts at 61000 euros.", ["people", "board"])]


def many(n: int, groups: Sequence[str] = EVERYONE) -> list[Chunk]:
    """n chunks, each with a word of its own."""
    return [chunk(f"n{number:04}", f"Passage of word{number} and filler. " * 20, groups) for number in range(n)]


def ids(index: Index, question: str, groups: Sequence[str] = EVERYONE, k: int = 5) -> list[str]:
    """What a question finds."""
    return [hit.chunk.id for hit in index.search(question, groups, k)]


def sql(folder: Path, statement: str) -> None:
    """Change the file behind the index's back."""
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute(statement)


def vectorisers(folder: Path) -> list[Path]:
    """The vectorisers beside the file."""
    return sorted(folder.glob("vectoriser-*"))


@pytest.fixture
def index(tmp_path: Path) -> SqliteIndex:
    return SqliteIndex.build(tmp_path / "index", corpus())


@pytest.fixture
def folder(index: SqliteIndex, tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What does a canary release do?", "canary"),
        ("how were the pictures labelled", "label"),
        ("POPULATION STABILITY", "quantile"),
        ("naive cafe", "café"),
        ("max_iter", "café"),
        ("title:rollback OR (", "rollback"),
    ],
)
def test_a_question_finds_its_chunk(index: SqliteIndex, question: str, found: str) -> None:
    """Words find their inflections, whatever their case and accents; operators are words."""
    assert ids(index, question)[0] == found


def test_a_hit_is_the_chunk_as_it_was_given(index: SqliteIndex) -> None:
    """All fields come back, the groups in their order."""
    assert index.search("salary band", ["board"], 1)[0].chunk == corpus()[-1]


def test_an_opened_index_finds_the_same(index: SqliteIndex, folder: Path) -> None:
    """Opening gives what building gave."""
    opened = SqliteIndex.open(folder)
    assert opened.search("drift of data", EVERYONE, 3) == index.search("drift of data", EVERYONE, 3)
    assert opened.digests() == {one.id: one.digest for one in corpus()}


def test_relevance_tells_whether_there_is_an_answer(index: SqliteIndex) -> None:
    """A question about the corpus is more relevant than one that shares a common word, and nonsense is not at all."""
    best = [
        max((hit.relevance for hit in index.search(question, EVERYONE, 5)), default=0.0)
        for question in ("What is a canary release?", "Which version of Windows does the cinema use?", "?!")
    ]
    assert 1 >= best[0] > 0.8 > 0.5 > best[1] > best[2] == 0


def test_k_hits_at_most(index: SqliteIndex) -> None:
    """No more hits than asked for, and none for none."""
    assert [len(index.search("the version of data", EVERYONE, k)) for k in (-1, 0, 1, 2)] == [0, 0, 1, 2]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=st.text(max_size=300), groups=st.lists(st.text(max_size=5) | st.sampled_from(["everyone", "people"])))
def test_any_question_is_answered(index: SqliteIndex, question: str, groups: list[str]) -> None:
    """No text and no group makes a search fail, and a hit's relevance is between 0 and 1."""
    hits = index.search(question, groups, 5)
    assert all(0 <= hit.relevance <= 1 and set(hit.chunk.groups) & set(groups) for hit in hits)


@pytest.mark.parametrize(
    "question",
    ["", "\0", "canary\0 NEAR(", '"', "''", '" OR "', "?!…", "🦆 🦆", "x" * 100_000, "a b " * 25_000, "\ud800",
     " ".join(f"word{number}" for number in range(2_000)), "AND NOT * ^ - + : {}", "the of and", "канарейка 金丝雀"],
)  # fmt: skip
def test_hostile_questions_are_answered(index: SqliteIndex, question: str) -> None:
    """Operators, control characters and excess are no more than words that are not found."""
    assert isinstance(index.search(question, EVERYONE, 5), list)


def test_who_is_not_in_a_group_sees_nothing_of_it(index: SqliteIndex) -> None:
    """A chunk is found by each of its groups and by nobody else, a name being a name to the letter."""
    question = "salary band of level M3"
    assert all(ids(index, question, [name])[0] == "salary" for name in ("people", "board"))
    others: list[list[str]] = [[], EVERYONE, ["peopl_"], ["%"], ["People"], ["people "], ["people\0"], ["people' OR 1"]]
    assert all("salary" not in ids(index, question, groups) for groups in others)


def test_hidden_chunks_take_no_place(tmp_path: Path) -> None:
    """A hundred better chunks that somebody may not see don't push out the one that they may."""
    text = "Only a little about the merger among many other words of a longer passage"
    hidden = [chunk(f"h{number}", "merger merger merger", ["board"]) for number in range(100)]
    index = SqliteIndex.build(tmp_path, [*hidden, chunk("seen", text), *many(60)])
    found = index.search("merger", EVERYONE, 5)
    assert found[0].chunk.id == "seen"
    assert found[0].score == pytest.approx(2 / 61)


def test_equal_chunks_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """Ties are broken by id, in whatever order and in whatever steps the chunks came."""
    equal = [replace(chunk("x", "The same text about canaries."), id=f"e{number:03}") for number in range(120)]
    one = SqliteIndex.build(tmp_path / "one", [*many(30), *equal])
    other = SqliteIndex.build(tmp_path / "other", [*reversed(equal[::2]), *reversed(many(30))])
    other.apply(reversed(equal[1::2]), [])
    assert ids(one, "canaries", k=70) == ids(other, "canaries", k=70) == [one.id for one in equal[:50]]
    assert vectorisers(tmp_path / "one")[0].name == vectorisers(tmp_path / "other")[0].name


def test_a_delta_gives_what_a_new_index_would(index: SqliteIndex, folder: Path, tmp_path: Path) -> None:
    """After inserts, changes and deletes the index holds the chunks, and the words, of one that is built of them."""
    changed = replace(corpus()[0], text="A zeppelin flies.", digest="new", groups=("pilots",))
    index.apply([changed, chunk("new", "A submarine dives.")], ["drift", "unheard of"])
    left = [changed, *corpus()[1:2], *corpus()[3:], chunk("new", "A submarine dives.")]
    fresh = SqliteIndex.build(tmp_path / "fresh", left)
    assert index.digests() == fresh.digests()
    assert ids(index, "zeppelin", ["pilots"]) == ["canary"]
    assert ids(index, "submarine")[0] == "new"
    for question in ("zeppelin", "traffic share", "drift inputs"):
        assert not {"canary", "drift"} & set(ids(index, question))
    # FTS5 compares its words with the chunks'.
    sql(folder, "INSERT INTO passages (passages, rank) VALUES ('integrity-check', 1)")


def test_the_vectoriser_is_fitted_anew_when_much_has_changed(tmp_path: Path) -> None:
    """It stays for a fifth of the chunks, one delta or several, and is replaced for more."""
    index = SqliteIndex.build(tmp_path, many(50))
    first = vectorisers(tmp_path)
    for number in range(2):
        index.apply(many(number * 5 + 5)[-5:], [])
        assert vectorisers(tmp_path) == first
    index.apply([chunk("new", "An unheard-of zeppelin.")], [])
    assert len(vectorisers(tmp_path)) == 1
    assert vectorisers(tmp_path) != first
    assert ids(SqliteIndex.open(tmp_path), "zeppelin") == ["new"]


def test_everything_can_be_deleted_and_come_back(index: SqliteIndex) -> None:
    """An index without chunks finds nothing, and takes new ones."""
    index.apply([], list(index.digests()))
    assert index.digests() == {}
    assert ids(index, "canary") == []
    index.apply(corpus(), [])
    assert ids(index, "canary")[0] == "canary"


@pytest.mark.parametrize("chunks", [[], [Chunk("a", "a", "", "", "!", ("everyone",), "", "")]])
def test_an_index_of_nothing_is_not_built(tmp_path: Path, chunks: list[Chunk]) -> None:
    """Without a word to search for there is no index, and no trace of one."""
    with pytest.raises(InputError, match="no word to search for: add documents"):
        SqliteIndex.build(tmp_path / "index", chunks)
    assert not (tmp_path / "index").exists()


def test_a_failed_delta_changes_nothing(index: SqliteIndex, folder: Path) -> None:
    """When a chunk can't be written, or its source fails, the ones before it are taken back."""
    before, files = index.digests(), vectorisers(folder)
    with pytest.raises(InputError, match="read its document as UTF-8"):
        index.apply([*many(20), replace(corpus()[0], text="\ud800")], ["canary"])
    with pytest.raises(ZeroDivisionError):
        index.apply((many(20)[number // (10 - number)] for number in range(20)), [])
    assert index.digests() == before
    assert vectorisers(folder) == files
    assert ids(index, "canary")[0] == "canary"


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from handbook_assistant.index.sqlite import SqliteIndex
from handbook_assistant.vectors import Vectoriser
from test_sqlite_index import many

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def upserts(dies):
    for number, one in enumerate(many(700)):
        if dies and number == 650:
            die()
        yield replace(one, text=one.text + "." * 4_000)  # more than SQLite holds in memory

folder, moment = sys.argv[1:]
if moment == "saved":  # the new vectoriser is there, the transaction is open
    save = Vectoriser.save
    Vectoriser.save = lambda self, path: (save(self, path), die())
SqliteIndex.open(Path(folder)).apply(upserts(moment == "writing"), ["canary"])
"""


@pytest.mark.parametrize("moment", ["writing", "saved"])
def test_a_process_that_is_killed_leaves_the_former_index(index: SqliteIndex, folder: Path, moment: str) -> None:
    """Whatever had reached the disk is taken back by the next one that opens the index, and the index still works."""
    before = index.search("canary release", EVERYONE, 5)
    command = [sys.executable, "-c", KILLED, str(folder), moment]
    paths = ":".join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(command, env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / f"{FILE}-journal").stat().st_size, "killed before anything was written"
    assert index.search("canary release", EVERYONE, 5) == before
    opened = SqliteIndex.open(folder)
    assert opened.digests() == {one.id: one.digest for one in corpus()}
    opened.apply([chunk("new", "A submarine dives.")], [])
    assert len(vectorisers(folder)) == 1
    assert ids(opened, "submarine")[0] == "new"


def test_building_anew_replaces_what_a_killed_process_left(index: SqliteIndex, folder: Path) -> None:
    """What was to be taken back of the former file is not taken back of the new one."""
    (folder / f"{FILE}-journal").write_bytes(b"left over")
    rebuilt = SqliteIndex.build(folder, many(10))
    assert ids(rebuilt, "word7")[0] == "n0007"
    assert sorted(path.name for path in folder.iterdir()) == sorted([FILE, vectorisers(folder)[0].name])


def test_threads_share_an_index_while_it_changes(tmp_path: Path) -> None:
    """Eight threads find what one alone finds, while another process's changes come in between."""
    index, writer = SqliteIndex.build(tmp_path, many(80)), SqliteIndex.open(tmp_path)
    questions = [f"word{number % 60}" for number in range(240)]
    alone = [ids(index, question, k=1) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(ids, index, question, EVERYONE, 1) for question in questions]
        for number in range(60, 64):
            writer.apply(many(80)[number : number + 1], [f"n{number + 10:04}"])
        assert [one.result() for one in found] == alone
    assert "n0070" not in ids(index, "word70")


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one" * 200])
def test_another_file_is_refused(folder: Path, content: bytes) -> None:
    """What is no index is refused in one line that says what to do."""
    (folder / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"^[^\n]+: train again$"):
        SqliteIndex.open(folder)


def test_a_file_of_another_version_is_refused(folder: Path) -> None:
    """An index that other code wrote is not guessed at."""
    sql(folder, "PRAGMA user_version = 2")
    with pytest.raises(InputError, match="has version 2, and this code reads version 1: train again"):
        SqliteIndex.open(folder)


def test_a_folder_without_index_is_refused(tmp_path: Path) -> None:
    """Nothing is created where nothing is."""
    with pytest.raises(InputError, match=r"no index in .*: run `pipeline train` first"):
        SqliteIndex.open(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_missing_vectoriser_is_refused(folder: Path) -> None:
    """The file alone is no index."""
    vectorisers(folder)[0].unlink()
    with pytest.raises(InputError, match="is missing: copy the whole folder, or train again"):
        SqliteIndex.open(folder)


def test_the_vectoriser_of_another_index_is_refused(folder: Path, tmp_path: Path) -> None:
    """A vectoriser that the vectors were not made with would compare what can't be compared."""
    SqliteIndex.build(tmp_path / "other", many(10))
    vectorisers(tmp_path / "other")[0].replace(vectorisers(folder)[0])
    with pytest.raises(InputError, match=r"is not the vectoriser that index\.sqlite was built with"):
        SqliteIndex.open(folder)


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM about", "UPDATE vectors SET vector = x'00'", "UPDATE vectors SET chunk = chunk + 1000",
     "UPDATE access SET chunk = chunk + 1000", "DROP TABLE access", "UPDATE about SET value = ''",
     "UPDATE chunks SET groups = '{'"],
)  # fmt: skip
def test_contents_that_make_no_sense_are_refused(folder: Path, damage: str) -> None:
    """A file of the right form with the wrong contents is refused like a damaged one."""
    sql(folder, damage)
    with pytest.raises(InputError, match="train again"):
        SqliteIndex.open(folder).search("canary", EVERYONE, 5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), length=st.integers(1, 3_000), byte=st.integers(0, 255))
def test_a_damaged_file_is_never_a_crash(
    index: SqliteIndex, folder: Path, place: float, length: int, byte: int
) -> None:
    """Whichever bytes are overwritten, the index is refused in one line or still answers."""
    whole = (folder / FILE).read_bytes()
    start = int(place * len(whole))
    try:
        (folder / FILE).write_bytes((whole[:start] + bytes([byte]) * length + whole[start + length :])[: len(whole)])
        assert isinstance(ids(SqliteIndex.open(folder), "canary release"), list)
    except InputError:
        pass
    finally:
        (folder / FILE).write_bytes(whole)
