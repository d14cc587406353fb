"""The chat server, asked by real clients: what it answers, whom, what it refuses, and what it keeps."""

from __future__ import annotations

import base64
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import chat
import httpx
import openai
import pytest
from model_service import BUSY_SECONDS, TOKEN, ModelService
from openai.types.responses import Response as OpenAIResponse
from pydantic import TypeAdapter

from handbook_assistant.chain import Answer, Chain, Citation
from handbook_assistant.errors import InputError
from handbook_assistant.generate import language_model, prompts
from handbook_assistant.server import __main__ as command
from handbook_assistant.server.app import Options
from handbook_assistant.server.protection import PROBES

PROMPT = Path(__file__).parents[1] / "prompts/answer.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for an index and for feedback."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def chain(folder: Path) -> Chain:
    """A chain that quotes."""
    return chat.chain(folder)


@pytest.fixture(scope="module")
def client(chain: Chain, folder: Path) -> Iterator[httpx.Client]:
    """A client of a server that quotes."""
    with chat.serving(chain, folder / "feedback.db") as found:
        yield found


def ask(client: httpx.Client, question: str = chat.QUESTION, **headers: str) -> dict[str, Any]:
    """The whole answer."""
    reply = client.post("/chat", json={"question": question, "stream": False}, headers=headers)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def events(reply: httpx.Response) -> list[tuple[str, Any]]:
    """The events of a stream, by name."""
    assert reply.headers["content-type"].startswith("text/event-stream")
    found = [dict(line.split(": ", 1) for line in part.split("\n")) for part in reply.text.split("\n\n") if part]
    return [(each["event"], json.loads(each["data"])) for each in found]


def reason(reply: httpx.Response) -> str:
    """Why a request was refused, in one line."""
    message = reply.json()["error"]["message"]
    assert "\n" not in message
    assert "Traceback" not in reply.text
    return str(message)


# Answers


def test_a_question_is_answered_with_citations(client: httpx.Client) -> None:
    """The reply holds the text, the passages, the outcome, and what to rate it by."""
    answer = ask(client)
    assert answer["text"] == f"{chat.PASSAGES['canary'][1]} [1]"
    assert [(each["document"], each["quote"]) for each in answer["citations"]] == [
        ("canary.md", chat.PASSAGES["canary"][1])
    ]
    assert (answer["outcome"], answer["reason"], answer["version"], answer["prompt"]) == ("answered", "", "7", "")
    assert len(answer["id"]) > 20


def test_a_stream_ends_with_the_whole_answer(client: httpx.Client) -> None:
    """Pieces come first, and together they are its text."""
    *pieces, (name, whole) = events(client.post("/chat", json={"question": chat.QUESTION}))
    assert {kind for kind, _ in pieces} == {"piece"}
    assert name == "answer"
    assert "".join(data["text"] for _, data in pieces) == whole["text"]
    assert whole.keys() == ask(client).keys()


def test_a_stream_that_was_taken_back_ends_with_what_stays(tmp_path: Path) -> None:
    """The last event says what to show instead of the pieces."""
    with chat.serving(chat.TakenBack(), tmp_path / "feedback.db") as client:
        *_, (name, whole) = events(client.post("/chat", json={"question": "?"}))
    assert (name, whole["text"], whole["outcome"]) == ("answer", "There is no answer.", "abstained")


def test_a_question_without_an_answer_says_why(client: httpx.Client) -> None:
    """It is an answer all the same, and no error."""
    answer = ask(client, "How tall is the Eiffel tower?")
    assert (answer["outcome"], answer["citations"]) == ("abstained", [])
    assert answer["reason"]


# Who asks


def salary(client: httpx.Client, **headers: str) -> bool:
    """Whether the passage for people was cited."""
    return "salary.md" in {each["document"] for each in ask(client, chat.SALARY, **headers)["citations"]}


def test_a_header_that_nobody_named_counts_for_nothing(client: httpx.Client) -> None:
    """Whoever sends groups is `everyone`."""
    names = ("X-Groups", "X-Forwarded-Groups", "Groups", "X-MS-CLIENT-PRINCIPAL")
    assert not salary(client, **dict.fromkeys(names, "people"))


def test_a_named_header_tells_the_groups(chain: Chain, tmp_path: Path) -> None:
    """Every other header still counts for nothing, and a header that came twice may be forged."""
    with chat.serving(chain, tmp_path / "f.db", Options(groups_header="X-Groups")) as client:
        assert salary(client, **{"x-groups": "staff,  people ,"})
        assert not salary(client)
        assert not salary(client, **{"X-Forwarded-Groups": "people"})
        twice = client.post("/chat", json={"question": "?"}, headers=[("X-Groups", "people"), ("X-Groups", "staff")])
        many = client.post("/chat", json={"question": "?"}, headers={"X-Groups": ",".join(map(str, range(300)))})
    assert (twice.status_code, many.status_code) == (400, 400)
    assert "2 times" in reason(twice)


def test_easy_auth_tells_the_groups_in_its_own_form(chain: Chain, tmp_path: Path) -> None:
    """Claims of groups and roles count, others do not, and what is none is refused."""
    name = "X-MS-CLIENT-PRINCIPAL"

    def principal(claim: str) -> dict[str, str]:
        return {name: base64.b64encode(json.dumps({"claims": [{"typ": claim, "val": "people"}]}).encode()).decode()}

    with chat.serving(chain, tmp_path / "f.db", Options(groups_header=name)) as client:
        assert salary(client, **principal("groups"))
        assert salary(client, **principal("roles"))
        assert not salary(client, **principal("name"))
        bad = client.post("/chat", json={"question": "?"}, headers={name: "people"})
    assert (bad.status_code, "Easy Auth" in reason(bad)) == (400, True)


# Bad input


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"question": ""}', 422, "1 to 2000 characters"),
        (b'{"question": " \\n "}', 422, "1 to 2000 characters"),
        (json.dumps({"question": "a" * 2001}).encode(), 422, "1 to 2000 characters"),
        (json.dumps({"question": "a" * 100_000}).encode(), 413, "65536 bytes"),
        (b'{"question": 5}', 422, "question: "),
        (b'{"question": null}', 422, "question: "),
        (b'{"question": ["a"]}', 422, "question: "),
        (b'{"question": "a", "stream": "yes"}', 422, "stream: "),
        (b'{"question": "a", "groups": ["people"]}', 422, "a field that nobody knows"),
        (b'{"question": "\\ud800"}', 422, "question: "),
        (b"{}", 422, "question: field required"),
        (b"[]", 422, "the body: "),
        (b"", 422, "the body: "),
        (b"null", 422, "the body: "),
        (b'{"question": ', 400, "not JSON"),
        (b"\xff\xfe", 400, ""),
        (b"[" * 60_000, 400, ""),
        (b'{"question": ' + b"1" * 20_000 + b"}", 400, ""),
    ],
)
def test_bad_input_is_refused_with_one_reason(client: httpx.Client, body: bytes, status: int, words: str) -> None:
    """It says what is wrong, and no more."""
    reply = client.post("/chat", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, words in reason(reply)) == (status, True), reply.text


def test_only_json_is_read(client: httpx.Client) -> None:
    """What a form of another site can send is refused before it is looked at."""
    body = json.dumps({"question": chat.QUESTION}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        reply = client.post("/chat", content=body, headers={"Content-Type": kind})
        assert (reply.status_code, "Content-Type" in reason(reply)) == (415, True)


def test_a_body_without_a_length_is_bounded(client: httpx.Client) -> None:
    """It is cut off while it comes, whatever its headers say."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            sent += 4096
            yield b" " * 4096

    try:
        reply = client.post("/chat", content=endless(), headers={"Content-Type": "application/json"})
        assert reply.status_code == 413
    except httpx.TransportError:  # the server hung up while we sent
        pass
    assert sent < 50_000_000


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "²"])
def test_a_length_that_is_none_is_refused(client: httpx.Client, length: str) -> None:
    """Nothing is read of such a request."""
    head = f"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).split()[1] in (b"400", b"413")


def test_other_paths_and_methods_are_refused(client: httpx.Client) -> None:
    """No file but those of the page can be read."""
    for path in ("/nothing", "/static/../app.py", "/static/%2e%2e/app.py", "/static/", "/docs", "/redoc"):
        assert client.get(path).status_code == 404, path
    assert client.get("/chat").status_code == 405


def test_a_host_that_is_not_ours_is_refused(chain: Chain, tmp_path: Path) -> None:
    """So a name that somebody points at this computer opens nothing; probes call by address."""
    with chat.serving(chain, tmp_path / "f.db", Options(hosts=("chat.example", "::1"))) as client:
        for host, status in (("chat.example:8000", 200), ("[::1]:8000", 200), ("evil.example", 400), ("[", 400)):
            assert client.get("/", headers={"Host": host}).status_code == status, host
        assert {client.get(path, headers={"Host": "10.0.0.1"}).status_code for path in PROBES} == {200}


def test_every_reply_carries_the_security_headers(client: httpx.Client) -> None:
    """Pages, errors and streams; and another site gets no leave to read any."""
    replies = [
        client.get("/"),
        client.get("/nothing"),
        client.post("/chat", content=b"x"),
        client.post("/chat", json={"question": "?"}, headers={"Origin": "https://evil.example"}),
        client.options("/chat", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}),
    ]
    for reply in replies:
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in reply.headers
        assert "server" not in reply.headers or "uvicorn" in reply.headers["server"]


# Services, load, the end


def test_an_answer_by_a_language_model_names_its_prompt(chain: Chain, tmp_path: Path) -> None:
    """Tokens and the hash of the prompt come with the answer, and are kept."""
    with (
        ModelService(f"{chat.PASSAGES['canary'][1]} [1]") as service,
        chat.serving(modelled(chain, service), tmp_path / "f.db") as client,
    ):
        answer = ask(client)
        *_, (_, streamed) = events(client.post("/chat", json={"question": chat.QUESTION}))
    assert answer["prompt"] == prompts.read(PROMPT).digest == streamed["prompt"]
    assert (answer["model"], answer["tokens_in"], answer["tokens_out"]) == ("tiny", 120, 7)
    with closing(sqlite3.connect(tmp_path / "f.db")) as kept:
        assert kept.execute("SELECT DISTINCT prompt, tokens_in FROM answers").fetchall() == [(answer["prompt"], 120)]


def modelled(chain: Chain, service: ModelService, token: str = TOKEN) -> Chain:
    """The chain, with a language model that writes."""
    client = language_model.client(f"{service.address}/v1", lambda: token, timeout=5, retries=0)
    model = language_model.LanguageModel(client, "tiny", prompts.read(PROMPT))
    return replace(chain, generator=model)


@pytest.mark.parametrize("stream", [True, False])
def test_a_broken_service_is_told_without_a_secret(chain: Chain, tmp_path: Path, stream: bool) -> None:
    """Whatever it says, the asker hears that it does not work, with a status."""
    with ModelService() as service:
        service.instead.append(BUSY_SECONDS)
        with chat.serving(modelled(chain, service, "sk-wrong-token"), tmp_path / "f.db") as client:
            for _ in range(2):  # too busy, then the wrong token, which the service quotes
                reply = client.post("/chat", json={"question": chat.QUESTION, "stream": stream})
                assert reply.status_code == 502
                assert "ask again later" in reason(reply)
                assert "sk-wrong" not in reply.text


def test_what_breaks_a_stream_is_its_last_event(tmp_path: Path) -> None:
    """The status has gone out by then."""
    with chat.serving(chat.Failing(InputError("no key sk-123")), tmp_path / "f.db") as client:
        *_, (name, data) = events(client.post("/chat", json={"question": "late"}))
    assert (name, "ask again later" in data["error"]["message"]) == ("error", True)


def test_a_mistake_of_ours_is_a_number_to_the_asker(tmp_path: Path) -> None:
    """The traceback is the log's alone."""
    with chat.serving(chat.Failing(ZeroDivisionError("secret")), tmp_path / "f.db") as client:
        reply = client.post("/chat", json={"question": "?"})
        late = client.post("/chat", json={"question": "late"})
    assert (reply.status_code, "tell the operator" in reason(reply)) == (500, True)
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "secret" not in reply.text + late.text


def test_too_many_questions_are_told_to_come_back(tmp_path: Path) -> None:
    """One is answered, one waits, the third is refused; afterwards there is room again."""
    slow = chat.Slow()
    with (
        chat.serving(slow, tmp_path / "f.db", Options(threads=1, waiting=1)) as client,
        ThreadPoolExecutor() as pool,
    ):
        asked = [pool.submit(client.post, "/chat", json={"question": "?", "stream": False}) for _ in range(3)]
        chat.until(lambda: any(each.done() for each in asked))
        slow.go.set()
        replies = [each.result() for each in asked]
        assert sorted(reply.status_code for reply in replies) == [200, 200, 503]
        refused = next(reply for reply in replies if reply.status_code == 503)
        assert refused.headers["retry-after"] == "5"
        assert "ask again" in reason(refused)
        assert ask(client, "?")["text"] == "At last."


def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """Whole or in pieces; its thread keeps its place until it has ended."""
    slow = chat.Slow()
    with chat.serving(slow, tmp_path / "f.db", Options(threads=2, waiting=0, seconds=0.2)) as client:
        whole = client.post("/chat", json={"question": "?", "stream": False})
        *_, (name, data) = events(client.post("/chat", json={"question": "?"}))
        full = client.post("/chat", json={"question": "?"})
        slow.go.set()
    assert (whole.status_code, "too long" in reason(whole)) == (504, True)
    assert (name, "too long" in data["error"]["message"]) == ("error", True)
    assert full.status_code == 503


def test_a_reader_who_leaves_ends_the_stream(tmp_path: Path) -> None:
    """What writes for nobody is closed at its next piece."""
    slow = chat.Slow()
    with chat.serving(slow, tmp_path / "f.db") as client:
        with client.stream("POST", "/chat", json={"question": "?"}) as reply:
            next(reply.iter_lines())
        chat.until(lambda: slow.started == 1)
        slow.go.set()
        assert ask(client, "?")["text"] == "At last."


def test_an_answer_that_cannot_be_kept_goes_out_without_an_id(chain: Chain, tmp_path: Path) -> None:
    """The server is not ready then, but alive."""
    with chat.serving(chain, tmp_path / "f.db") as client:
        with closing(sqlite3.connect(tmp_path / "f.db")) as other:
            other.execute("DROP TABLE ratings")
            other.execute("DROP TABLE answers")
        assert ask(client)["id"] == ""
        rating = {"id": "a" * 8, "answer": "b" * 8, "rating": "up"}
        assert client.post("/feedback", json=rating).status_code == 503


def test_the_probes_tell_that_it_is_alive_and_ready(client: httpx.Client) -> None:
    """Readiness names the version."""
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "version": "7"}


# OpenAI's clients


@pytest.fixture
def sdk(client: httpx.Client) -> openai.OpenAI:
    """OpenAI's own client, for this server."""
    return openai.OpenAI(base_url=str(client.base_url), api_key="none", max_retries=0)


@pytest.mark.parametrize(
    "given",
    [
        chat.QUESTION,
        [{"role": "user", "content": chat.QUESTION}],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
            {"role": "user", "content": [{"type": "input_text", "text": chat.QUESTION}]},
        ],
    ],
)
def test_openai_s_client_gets_an_answer(sdk: openai.OpenAI, given: Any) -> None:
    """The last message of the user is answered; citations are annotations, the outcome is metadata."""
    found = sdk.responses.create(model="any", input=given)
    assert found.output_text == f"{chat.PASSAGES['canary'][1]} [1]"
    assert found.output[0].content[0].annotations[0].filename == "canary.md"
    assert (found.status, found.metadata["outcome"], found.metadata["version"]) == ("completed", "answered", "7")
    # The client believes everything; its types do not.
    TypeAdapter(OpenAIResponse).validate_python(found.model_dump())


def test_openai_s_client_gets_a_stream(sdk: openai.OpenAI) -> None:
    """Its own reader puts the events together to the same response."""
    with sdk.responses.stream(model="any", input=chat.QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == f"{chat.PASSAGES['canary'][1]} [1]"
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    deltas = "".join(
        event.delta
        for event in sdk.responses.create(model="any", input=chat.QUESTION, stream=True)
        if event.type == "response.output_text.delta"
    )
    assert deltas == final.output_text


def test_openai_s_stream_holds_only_what_was_let_through(tmp_path: Path) -> None:
    """Its clients can't take text back."""
    with chat.serving(chat.TakenBack(), tmp_path / "f.db") as client:
        text = client.post("/responses", json={"input": "?", "stream": True}).text
    assert "secret" not in text
    assert "There is no answer." in text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": ""}, "1 to 2000 characters"),
        ({"input": [{"role": "assistant", "content": "Hello"}]}, "1 to 2000 characters"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "1 to 2000 characters"),
        ({"input": 5}, "input"),
        ({}, "input: field required"),
        ({"input": "?", "previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_openai_s_client_hears_what_is_wrong(sdk: openai.OpenAI, body: dict[str, Any], words: str) -> None:
    """As an error of its own kind."""
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        sdk.post("/responses", body=body, cast_to=object)
    assert words in str(caught.value)


def test_openai_s_client_hears_what_breaks(tmp_path: Path) -> None:
    """Whole, or in a stream that has begun."""
    with chat.serving(chat.Failing(InputError("no key sk-123")), tmp_path / "f.db") as client:
        sdk = openai.OpenAI(base_url=str(client.base_url), api_key="none", max_retries=0)
        with pytest.raises(openai.InternalServerError, match="ask again later"):
            sdk.responses.create(model="any", input="?")
        with pytest.raises(openai.APIError, match="ask again later"):
            list(sdk.responses.create(model="any", input="?", stream=True))


# Ratings


def test_a_rating_is_kept_once(client: httpx.Client, folder: Path) -> None:
    """However often it is sent; with other words its id is taken."""
    rating = {"id": "client-id-1", "answer": ask(client)["id"], "rating": "down", "comment": "Call ada@example.com"}
    assert [client.post("/feedback", json=rating).status_code for _ in range(3)] == [200, 200, 200]
    assert client.post("/feedback", json=rating | {"rating": "up"}).status_code == 409
    with closing(sqlite3.connect(folder / "feedback.db")) as kept:
        rows = kept.execute("SELECT rating, comment FROM ratings WHERE id = 'client-id-1'").fetchall()
    assert rows == [("down", "Call [e-mail address]")]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"answer": "no-such-answer"}, 404),
        ({"rating": "great"}, 422),
        ({"rating": True}, 422),
        ({"id": "short"}, 422),
        ({"id": "'; DROP TABLE"}, 422),
        ({"id": "12345678\n"}, 422),
        ({"comment": "a" * 2001}, 422),
        ({"comment": "a" * 100_000}, 413),
        ({"extra": 1}, 422),
    ],
)
def test_a_bad_rating_is_refused(client: httpx.Client, change: dict[str, Any], status: int) -> None:
    """With one reason."""
    rating = {"id": "client-id-2", "answer": ask(client)["id"], "rating": "up", "comment": ""} | change
    reply = client.post("/feedback", json=rating)
    assert (reply.status_code, bool(reason(reply))) == (status, True)


def test_a_killed_server_loses_no_rating(tmp_path: Path) -> None:
    """Every rating that was answered with 200 before the kill is in the file, and the file is whole."""
    told: list[str] = []
    with (
        chat.process(tmp_path) as (server, address),
        httpx.Client(base_url=address, timeout=10) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        for user in range(4):
            pool.submit(rating_on, client, user, told)
        chat.until(lambda: len(told) > 60)
        server.kill()
    with closing(sqlite3.connect(tmp_path / "feedback.db")) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert set(told) <= {row[0] for row in kept.execute("SELECT id FROM ratings")}
    assert len(told) > 60


def rating_on(client: httpx.Client, user: int, told: list[str]) -> None:
    """Ask and rate until the server is gone."""
    for number in range(10_000):
        try:
            rating = {"id": f"user-{user}-{number:05}", "answer": ask(client)["id"], "rating": "up"}
            if client.post("/feedback", json=rating).status_code == 200:
                told.append(rating["id"])
        except (httpx.HTTPError, AssertionError):
            return


# The command


def test_the_command_serves_a_model_until_it_is_told_to_stop(made: Path, tmp_path: Path) -> None:
    """It prints its address when it is ready, and ends with 0 at SIGTERM."""
    words = ["--model", "outputs", "--port", "0", "--feedback", tmp_path / "f.db"]
    started = subprocess.Popen(
        [sys.executable, "-m", "handbook_assistant.server", *map(str, words)],
        cwd=made,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        address = next(line.split()[-1] for line in started.stdout if " answers at " in line)
        with httpx.Client(base_url=address, timeout=30) as client:
            answer = ask(client, "What does a quarantine table keep?")
            assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
        started.send_signal(signal.SIGTERM)
        errors = started.communicate(timeout=60)[1]
    finally:
        started.kill()
    assert (answer["outcome"], started.returncode) == ("answered", 0), errors
    assert "Traceback" not in errors
    assert "quarantine" not in errors


def test_several_models_are_too_many(tmp_path: Path) -> None:
    """Below a mount there is one."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "MLmodel").touch()
    assert command.folder_of(tmp_path / "a") == tmp_path / "a"
    with pytest.raises(InputError, match="2 models"):
        command.folder_of(tmp_path)


def test_a_model_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line with the mend."""
    monkeypatch.chdir(Path(__file__).parents[1])
    words = ["server", "--model", str(tmp_path), "--port", "0", "--feedback", str(tmp_path / "f.db")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        command.main()
    error = capsys.readouterr().err
    assert (stop.value.code, error.count("\n"), "no model in" in error) == (2, 1, True)


def test_an_address_that_is_taken_is_told() -> None:
    """In one line with the mend."""
    with command.listening("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(InputError, match="give another --port"):
            command.listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match="or --host"):
        command.listening("no-such-host.invalid", 0)


def test_the_page_is_served_with_all_that_it_needs(client: httpx.Client) -> None:
    """Its files are those of the package, and it asks nobody else."""
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in ("chat.css", "chat.js", "icon.svg"):
        assert f"static/{name}" in page.text
        assert client.get(f"/static/{name}").status_code == 200
    assert "//" not in page.text.replace("<!doctype", "")


def test_a_citation_with_a_number_that_is_none_is_left_out() -> None:
    """A mark in a quotation may name no passage."""
    from handbook_assistant.server import responses
    from handbook_assistant.server.desk import Told

    answer = Answer("See [1] and [9].", (Citation("c", "c.md", "C", "", "q"),), "answered")
    found = responses.response("id", Told("id", "1", answer))
    assert [each["index"] for each in found["output"][0]["content"][0]["annotations"]] == [4]
