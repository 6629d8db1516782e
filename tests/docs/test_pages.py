"""The README and the pages of the documentation: their examples run, and what they name exists."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import logflume
from tests.docs.blocks import LANGUAGES, REPOSITORY, code_blocks, execute_page
from tests.docs.layers_picture import PICTURE, draw_layers
from tests.docs.screenshots import console_svg, screen_lines

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
TEXTS = [*PAGES, *(REPOSITORY / name for name in ("CONTRIBUTING.md", "SECURITY.md"))]
MAX_README_WORDS = 1_800


def names(pages: list[Path]) -> list[str]:
    return [page.name for page in pages]


@pytest.fixture(scope="module")
def example_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `logs` with a run that has what the pages query."""
    folder = tmp_path_factory.mktemp("example") / "logs"
    logflume.initialize(run="20260101-000000-abcd", dir=str(folder))
    log = logflume.get_logger()
    for step in range(1, 31):
        logflume.set_step(step, "train", total=30)
        correct = [2.0 if (step + index) % 3 else 0.0 for index in range(4)]
        log.info("training", loss=1 / step, learning_rate=5e-6, reward=1 + step / 100)
        log.info("reward", correctness=correct, format=[0.5, 0.5, 0.0, None], num_generations=2)
        for index, value in enumerate(correct):
            log.info(
                "model_output",
                question=f"1 + {index // 2}?",
                prompt=f"1 + {index // 2}?",
                model_output=f"It is {value}",
                answer=str(value),
                generation=step,
                group=index // 2,
                index=index % 2,
                completion_tokens=9,
                **{"rewards/total": value, "quality/correct": value > 0},
            )
    assert logflume.shutdown()
    return folder


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_the_code_blocks_of_a_page_run(
    page: Path,
    example_runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All code blocks of a page run in order, and a `print` prints what its comment states."""
    text = page.read_text(encoding="utf-8")
    if not set(code_blocks(text)) - {"text"}:
        return
    shutil.copytree(example_runs, tmp_path / "logs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    execute_page(page)

    printed = capsys.readouterr().out
    for stated in re.findall(r"^print\(.*\)  # (.*)$", text, re.MULTILINE):
        assert stated in printed


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_code_block_has_a_language(page: Path) -> None:
    """A block is executed, or marked as text: there is no other kind."""
    assert set(code_blocks(page.read_text(encoding="utf-8"))) <= set(LANGUAGES)


@pytest.mark.parametrize("page", TEXTS, ids=names(TEXTS))
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Pictures, and the test modules and folders that a page names, are in the repository.

    Links between pages are checked by the strict build of the site.
    """
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)`", text)
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text) + re.findall(
        r"src(?:set)?=\"([^\"]+)", text
    )

    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    assert [name for name in shown if not (page.parent / name).is_file()] == []


def test_links_of_the_readme_lead_somewhere() -> None:
    """Each relative link of the README is a file, and its anchor a heading of that file."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]*))?\)", text):
        path = REPOSITORY / target
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{target}#{anchor}"


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def test_the_readme_is_short() -> None:
    """Its prose, without code blocks, has at most 1,800 words."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(prose.split()) <= MAX_README_WORDS


def test_the_picture_of_the_console_has_lines_as_a_terminal_shows_them() -> None:
    """What a carriage return overwrites isn't in it, and it loads no font from elsewhere."""
    printed = "\x1b[2mstep\x1b[0m 1\r\n 50%|##  |\r          \rstep 2\r\n100%|####|\r\nend\r\n"
    svg = console_svg(printed)

    assert screen_lines(printed) == ["\x1b[2mstep\x1b[0m 1", "step 2", "end"]
    assert "step&#160;2" in svg
    assert "url(http" not in svg


def test_the_picture_of_the_layers_is_that_of_the_contract() -> None:
    """`make pictures` would draw the same picture."""
    assert draw_layers() == PICTURE.read_text(encoding="utf-8")
