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
from tests.query.rollout_runs import VISIT, Completion, completions_of, write_attempts

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
        if not len(run.outputs()):
            assert 0 == len(run.prompts(solved=SOLVED)) == len(run.groups())
            return
        frame = completions_of(run.folder, view)
        measured = frame["quality/correct"]
        by_reward = frame["rewards/total"] >= SOLVED
        frame["solved"] = measured.where(measured.notna(), by_reward).astype(bool)
        visits = [visit for _, visit in frame.groupby(VISIT, dropna=False)]
        check_groups(run.groups(solved=SOLVED).to_pylist(), visits)
        check_prompts(run.prompts(solved=SOLVED).to_pylist(), visits)
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
    by_prompt: dict[str, list[pd.DataFrame]] = {}
    for visit in visits:
        by_prompt.setdefault(visit["prompt_id"].iloc[0], []).append(visit)
    assert sorted(by_prompt) == sorted(row["prompt_id"] for row in rows)
    for row in rows:
        of_prompt = sorted(by_prompt[row["prompt_id"]], key=in_time)
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
