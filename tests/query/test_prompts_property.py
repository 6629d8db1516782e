"""Property tests: prompts, groups and estimates compared with pandas and with all subsets."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.query.open_run import Run
from tests.fake_sinks import wait_until
from tests.query.rollout_runs import VISIT, Completion, completions_of, write_attempts
from tests.scripts import Script, kill

SOLVED = 0.5
COMPLETIONS = st.builds(
    Completion,
    prompt=st.integers(0, 3),
    group=st.integers(0, 2),
    index=st.integers(0, 3),
    reward=st.sampled_from([0.0, 0.25, 0.5, 1.0, None]),
    correct=st.sampled_from([True, False, None]),
    answer=st.sampled_from(["1", " 1", "2", "3", "", None]),
    step=st.sampled_from([1, 2, 3, None]),
    mode=st.sampled_from(["train", "eval", None]),
)
RUNS = st.lists(
    st.dictionaries(st.sampled_from([0, 1]), st.lists(COMPLETIONS, max_size=12), min_size=1),
    min_size=1,
    max_size=2,
)


@settings(max_examples=15, deadline=None)
@given(RUNS, st.sampled_from(["current", "all"]))
def test_any_run(attempts: list[dict[int, list[Completion]]], view: Any) -> None:
    """Prompts, groups, pass@k, best@k and majority@k of any run equal those of its journals."""
    with tempfile.TemporaryDirectory() as folder:
        run = logflume.open_run(write_attempts(Path(folder), attempts), attempts=view)
        check_run(run)


LIVE = """
start(root={"level": "INFO", "sinks": ["jsonl", "parquet"]})
for step in range(1, 17):
    for index in range(8):
        group, correct = index // 4, (index * step) % 3 == 0
        logflume.get_model_logger().info(
            "model_output", step=step, mode="train", generation=step, group=group, index=index % 4,
            prompt_id=f"p{(step + group) % 5}", question="q", completion_tokens=index,
            answer=str(index % 3), **{"rewards/total": float(correct), "quality/correct": correct},
        )
    if step == 8:
        logflume.flush()
        log.error("written at once")
log.error("written at once")
say("done")
wait()
"""


def test_a_live_and_a_killed_run(tmp_path: Path) -> None:
    """A run that is written to, or was killed, has the results of what its journal has so far."""
    script = Script(tmp_path, LIVE)
    assert "done" == script.line()
    run = logflume.open_run(script.folder)
    assert wait_until(lambda: 16 == len(run.signal()))
    assert list(script.folder.glob("parquet/model_output/*.parquet"))
    check_run(run)
    kill(script)
    check_run(run)


def check_run(run: Run) -> None:
    """Compare all queries about prompts and groups with the journals of a run."""
    if not len(run.outputs()):
        assert 0 == len(run.prompts(solved=SOLVED)) == len(run.groups())
        return
    frame = completions_of(run.folder, run.attempts)
    measured = frame["quality/correct"]
    by_reward = frame["rewards/total"] >= SOLVED
    frame["solved"] = measured.where(measured.notna(), by_reward).astype(bool)
    visits = [visit for _, visit in frame.groupby(VISIT, dropna=False)]
    check_groups(run.groups(solved=SOLVED).to_pylist(), visits)
    check_signal(run.signal().to_pylist(), visits)
    check_prompts(run.prompts(solved=SOLVED, mode="both").to_pylist(), visits)
    for k in (1, 2, 3):
        check_estimates(run, visits, k)
    for prompt_id in frame["prompt_id"].unique():
        rows = run.prompt(prompt_id, solved=SOLVED)
        expected = frame[frame["prompt_id"] == prompt_id]
        assert expected["solved"].sum() == sum(rows["solved"].to_pylist())
        ids = expected[["attempt", "rank", "seq"]].itertuples(index=False, name=None)
        assert sorted(ids) == sorted(
            (row["attempt"], row["rank"], row["seq"]) for row in rows.to_pylist()
        )


def check_signal(rows: list[dict[str, Any]], visits: list[pd.DataFrame]) -> None:
    assert {key_of(visit)[1:3] for visit in visits} == {(r["step"], r["mode"]) for r in rows}
    for row in rows:
        of_step = [v for v in visits if key_of(v)[1:3] == (row["step"], row["mode"])]
        useful = [v for v in of_step if v["rewards/total"].nunique() > 1]
        tokens = [sum(v["completion_tokens"].sum() for v in some) for some in (of_step, useful)]
        assert (len(of_step), len(useful)) == (row["groups"], row["with_signal"])
        assert len(useful) / len(of_step) == pytest.approx(row["share"])
        assert tokens == [row["tokens"], row["tokens_with_signal"]]
        ratio = tokens[0] / tokens[1] if tokens[1] else None
        assert ratio == row["tokens_per_token_with_signal"]


def check_groups(rows: list[dict[str, Any]], visits: list[pd.DataFrame]) -> None:
    actual = {tuple(row[name] for name in VISIT): row for row in rows}
    assert len(visits) == len(rows) == len(actual)
    for visit in visits:
        row = actual[key_of(visit)]
        assert (len(visit), visit["solved"].sum()) == (row["completions"], row["solved"])
        rewards = visit["rewards/total"].dropna()
        assert (len(set(rewards)) > 1) == row["signal"]
        assert visit["completion_tokens"].sum() == row["tokens"]
        assert rewards.mean() == approx(row["reward_mean"])
        assert rewards.std() == approx(row["reward_std"])
        assert rewards.max() == approx(row["reward_max"])


def check_prompts(rows: list[dict[str, Any]], visits: list[pd.DataFrame]) -> None:
    by_prompt: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for visit in visits:
        key = visit["prompt_id"].iloc[0], visit["mode"].iloc[0]
        by_prompt.setdefault(key, []).append(visit)
    assert sorted(by_prompt) == sorted((row["prompt_id"], row["mode"]) for row in rows)
    for row in rows:
        of_prompt = sorted(by_prompt[row["prompt_id"], row["mode"]], key=in_time)
        everything = pd.concat(of_prompt)
        rates = [visit["solved"].mean() for visit in of_prompt]
        assert everything["question"].iloc[0] == row["question"]
        assert (len(of_prompt), len(everything)) == (row["visits"], row["completions"])
        assert everything["solved"].mean() == row["solve_rate"]
        assert [rates[0], max(rates), min(rates), rates[-1]] == [
            row[name] for name in ("first", "best", "worst", "latest")
        ]
        best = of_prompt[rates.index(max(rates))]
        assert key_of(best)[1] == row["best_step"]
        assert key_of(of_prompt[-1])[1] == row["latest_step"]
        assert everything["rewards/total"].mean() == approx(row["reward_mean"])


def check_estimates(run: Any, visits: list[pd.DataFrame], k: int) -> None:
    large = [visit for visit in visits if len(visit) >= k]
    rewarded = [v for v in visits if v["rewards/total"].notna().sum() >= k]
    has_answers = any(visit["answer"].fillna("").str.strip().ne("").any() for visit in visits)
    for method, counted, score in (
        (run.pass_at, large, lambda some: some["solved"].any()),
        (run.best_at, rewarded, lambda some: some["rewards/total"].max()),
        (run.majority_at, large if has_answers else [], None),
    ):
        options = {} if method == run.best_at else {"solved": SOLVED}
        if not counted:
            with pytest.raises(logflume.QueryError):
                method(k, **options)
            continue
        rows = {(r["mode"], r["step"]): r for r in method(k, **options).to_pylist()}
        values: dict[Any, list[float]] = {}
        for visit in counted:
            if method == run.best_at:
                visit = visit[visit["rewards/total"].notna()]
            _, step, mode, *_ = key_of(visit)
            value = majority(visit, k) if score is None else over_subsets(visit, k, score)
            values.setdefault((mode, step), []).append(value)
        for key, row in rows.items():
            if key in values:
                assert fmean(values[key]) == pytest.approx(row["value"])
            else:
                assert row["value"] is None
            assert len(values.get(key, [])) == row["groups"]
        assert values.keys() <= rows.keys()


def over_subsets(visit: pd.DataFrame, k: int, score: Any) -> float:
    subsets = combinations(range(len(visit)), k)
    return fmean(float(score(visit.iloc[list(subset)])) for subset in subsets)


def majority(visit: pd.DataFrame, k: int) -> float:
    """Return the share of subsets whose most frequent answer is right, listing all of them."""
    texts = [str(text).strip() if text else "" for text in visit["answer"].fillna("")]
    solved = visit["solved"].tolist()
    right = {
        text: fmean(s for t, s in zip(texts, solved, strict=True) if t == text) for text in texts
    }
    scores = []
    for subset in combinations(texts, k):
        votes = Counter(text for text in subset if text)
        winners = [text for text, n in votes.items() if n == max(votes.values())]
        scores.append(fmean(right[text] for text in winners) if winners else 0.0)
    return fmean(scores)


def key_of(visit: pd.DataFrame) -> tuple[Any, ...]:
    values = (visit[name].iloc[0] for name in VISIT)
    return tuple(None if pd.isna(v) else v if isinstance(v, str) else int(v) for v in values)


def in_time(visit: pd.DataFrame) -> tuple[Any, ...]:
    attempt, step, mode, generation, group, _ = key_of(visit)
    return (-1 if step is None else step, attempt, mode == "eval", generation or -1, group)


def approx(value: float | None) -> Any:
    return pytest.approx(math.nan if value is None else value, nan_ok=True)
