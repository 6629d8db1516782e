"""Runs that are damaged, strange or gone: the server shows what it can, and says the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.maintenance.runs import write_run
from tests.recorded.record import RECORDINGS
from tests.torture.run_damages import DAMAGES
from tests.ui.clients import client_of
from tests.ui.hostile_run import GROUPS, SIZE, STEPS, log_hostile_run
from tests.ui.streams import pieces_of

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")

PARAMS = {"step": "2", "group": "0", "prompt": "x", "id": "w-0-200", "field": "model_output"}
REQUESTS: Mapping[str, Mapping[str, str]] = {
    **{name: {} for name in ("versions", "run", "curves", "axes", "alerts", "ranks", "steps")},
    **{name: {"solved": "1"} for name in ("reward_shares", "prompts", "pass_at")},
    **dict.fromkeys(("group", "columns", "outputs", "tokens", "prompt", "text"), PARAMS),
    "groups": {**PARAMS, "where": "step > 0"},
    "search": {"search": "t.*e", "regex": "1"},
}
"""Every answer about one run, with parameters."""

OMITTED = {"bomb", "grow", "parquet bomb"}
"""Of seconds each; `make torture` reads such runs with every query."""


def ask_all(client: Any, run: str) -> dict[str, Any]:
    """Request everything about a run; return the answers that have a status of 200."""
    answers = {}
    for name, params in REQUESTS.items():
        answer = client.get(f"/api/{name}", params={"run": run, **params})
        assert answer.status_code in (200, 404, 422), (name, answer.text)
        assert "Traceback" not in answer.text
        if answer.status_code == 200:
            answers[name] = answer
        else:
            assert answer.json()["error"]
    return answers


def tree_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and time of everything in a folder."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent, name)
            stat = path.lstat()
            found[str(path)] = (stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run with every sink and two attempts, one with groups of completions, and an older one."""
    folder = tmp_path_factory.mktemp("templates")
    of_version = sorted((RECORDINGS / "v0_1" / "runs").iterdir())
    return [write_run(folder, range(3), range(2, 4)), log_hostile_run(folder), of_version[0]]


@pytest.mark.parametrize("name", sorted(DAMAGES.keys() - OMITTED))
def test_a_damaged_run_is_no_error_of_the_server(
    name: str, templates: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer is data or one sentence, and neither the run nor anything else is changed."""
    random = Random(name)
    victim = tmp_path / "victim"
    (victim / "folder").mkdir(parents=True)
    (victim / "file").write_text("{}")
    for number, template in enumerate(templates):
        run = tmp_path / "logs" / str(number)
        shutil.copytree(template, run)
        monkeypatch.chdir(run)  # a socket's path has at most 108 bytes
        with suppress(OSError):  # not every run has what is to be damaged
            DAMAGES[name](random, run, victim)
    monkeypatch.chdir(tmp_path)
    before = tree_of(tmp_path)

    with client_of(tmp_path / "logs") as client:
        listed = client.get("/api/runs")
        assert 200 == listed.status_code, listed.text
        for row in listed.json()["runs"]:
            ask_all(client, row["run"])

    assert before == tree_of(tmp_path)


@pytest.fixture
def folder(templates: list[Path], tmp_path: Path) -> Path:
    """A folder with a copy of the run that has groups."""
    shutil.copytree(templates[1], tmp_path / "hostile")
    return tmp_path


def test_a_run_that_is_deleted_while_it_is_open(folder: Path) -> None:
    """Its views say that it is gone, and the list goes on without it."""
    with client_of(folder) as client:
        assert REQUESTS.keys() - {"prompt", "tokens"} <= ask_all(client, "hostile").keys()
        shutil.rmtree(folder / "hostile")

        assert {} == ask_all(client, "hostile")
        assert [] == client.get("/api/runs").json()["runs"]
        assert "no longer exists" in client.get("/api/run?run=hostile").json()["error"]
        assert (
            "nope: there is no run with this id" == client.get("/api/run?run=nope").json()["error"]
        )


def test_a_run_of_a_later_version_shows_what_is_known(folder: Path) -> None:
    """Unknown types, fields and values of another type leave the rest as it is."""
    journal = folder / "hostile" / "events.jsonl"
    lines = journal.read_text().splitlines()
    head = json.loads(lines[-1])
    more = [
        {"event": "dream", "depth": 3, "shape": [1, 2]},
        {"event": "training", "step": 3, "loss": "small", "grad_norm": [1, 2]},
        {"event": "run_started", "schema_version": 99, "config": 5, "hyperparameters/x": [1]},
    ]
    added = [
        json.dumps({**head, "seq": head["seq"] + 1 + n, **event}, separators=(",", ":"))
        for n, event in enumerate(more)
    ]
    journal.write_text("\n".join([*lines, *added, ""]))

    with client_of(folder) as client:
        answers = ask_all(client, "hostile")

    assert "dream" in answers["run"].json()["events"]
    assert [1, 2, 3] == answers["curves"].json()["curves"]["reward"]["train"][0]


def test_a_folder_of_too_many_ranks_is_one_line(folder: Path) -> None:
    """A run with the files of thousands of ranks that never were doesn't stop the others."""
    for rank in range(1, 4_200):
        (folder / "hostile" / f"events-rank{rank}.jsonl").touch()
    os.mkfifo(folder / "pipe")

    with client_of(folder) as client:
        (row,) = client.get("/api/runs").json()["runs"]
        assert "at most 4,096 can be read" in row["error"]
        assert {"versions"} >= ask_all(client, row["run"]).keys()


def test_a_damaged_run_shows_what_is_left(folder: Path) -> None:
    """A line that is no event costs only itself, and the page says where it is."""
    journal = folder / "hostile" / "events.jsonl"
    text = journal.read_text()
    assert '"loss":1.0' in text
    journal.write_text(text.replace('"loss":1.0', '"loss":{"not":"flat"}'))
    number = text[: text.index('"loss":1.0')].count("\n") + 1

    with client_of(folder) as client:
        answers = ask_all(client, "hostile")

    assert f"line {number}:" in answers["curves"].json()["damage"]
    assert [2, 3] == answers["curves"].json()["curves"]["reward"]["train"][0]
    assert 3 == len(answers["steps"].json()["modes"]["train"])


def test_a_search_names_the_damage_and_goes_on(folder: Path) -> None:
    """Whether it is known before or found by the search, what is left is searched."""
    journal = folder / "hostile" / "events.jsonl"
    journal.write_text(journal.read_text().replace('"id":"w-0-111",', '"id":oops,'))

    with client_of(folder) as client:
        for _ in range(2):
            query = {"run": "hostile", "search": "therefore 3"}
            pieces = pieces_of(client.get("/api/search", params=query).text)

            assert f"{journal}, line " in pieces[-1]["damage"]
            hits = [hit["id"] for piece in pieces for hit in piece["hits"]]
            assert ["w-0-303", "w-0-313", "w-0-203", "w-0-213", "w-0-103", "w-0-113"] == hits


def test_correctness_that_was_not_measured_is_no_error(folder: Path) -> None:
    """The answer has what the page needs to let the reader choose a reward."""
    journal = folder / "hostile" / "events.jsonl"
    text = journal.read_text()
    journal.write_text(re.sub(r'"quality/correct":(true|false),?', "", text).replace(",}", "}"))

    with client_of(folder) as client:
        for view in ("prompts", "pass_at", "common_prompts"):
            answer = client.get(f"/api/{view}", params={"run": "hostile"})
            solved = client.get(f"/api/{view}", params={"run": "hostile", "solved": 2})

            assert 200 == answer.status_code
            count = STEPS * GROUPS * SIZE
            expected = {"unmeasured": count, "count": count, "rewards": [0.0, 3.0]}
            assert expected == answer.json()["unmeasured"]
            assert "unmeasured" not in solved.json()


@pytest.mark.parametrize("name", ["a b", "%2e%2e", "ü", "#?&=", "'; drop table x", "\udcff"])
def test_ids_may_have_any_characters(name: str, folder: Path) -> None:
    """A run is found by its id as the list has it."""
    run = folder / name
    (folder / "hostile").rename(run)
    for file in run.glob("*.json*"):
        escaped = json.dumps(name)[1:-1]
        file.write_text(file.read_text().replace('"hostile"', f'"{escaped}"'))

    with client_of(folder) as client:
        (row,) = client.get("/api/runs").json()["runs"]
        assert 200 == client.get("/api/curves", params={"run": row["run"]}).status_code
