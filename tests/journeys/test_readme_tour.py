"""The README's five minutes work as they stand, and answer what they are said to answer."""

import re
import subprocess
from pathlib import Path

from tests.journeys.conftest import wait_until
from tests.support.product import Product

README = Path(__file__).parents[2] / "README.md"
PORT = "http://127.0.0.1:8000"
PLACE = re.compile(r"(?:…|/|http:)/?\S*")
# How a goal stands depends on how much of the quarter has passed.
OF_THE_DAY = re.compile(r'"health":"\w+","health_label":"[^"]+"')


def tour() -> list[tuple[str, str]]:
    """The commands of the tour in their order, each with the answer that the page shows."""
    section = README.read_text().partition("## Five minutes")[2].partition("\n## ")[0]
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL):
        for said in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = said.splitlines()
            end = next((n for n, line in enumerate(lines) if n and line[:4] != "    "), len(lines))
            steps.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return steps


def start_up() -> list[str]:
    """The lines that a first start prints, as the page shows them."""
    block = README.read_text().partition("says what it does:\n")[2].split("```")[1]
    return [line for line in block.removeprefix("console").splitlines() if line]


def unsaid(shown: list[str], output: str) -> list[str]:
    """Lines that are shown and were not printed; a place or address may be another one."""
    printed = {PLACE.sub("", line) for line in output.splitlines()}
    return [line for line in shown if PLACE.sub("", line) not in printed]


def words(answer: str) -> list[str]:
    """Names and texts of an answer in their order, without what another day answers otherwise."""
    lasting = OF_THE_DAY.sub("", answer)
    told = re.findall(r'"(?:[^"\\]|\\.)*"|^\w+$', lasting, flags=re.MULTILINE)
    return [word for word in told if word != '"…"']


def missing(shown: str, answered: str) -> list[str]:
    """What is shown and not answered, in this order."""
    rest = iter(words(answered))
    return [word for word in words(shown) if word not in rest]


def test_the_tour_answers_what_the_page_shows(product: Product):
    steps = tour()
    script = "".join(f"{command}\nprintf '\\036'\n" for command, _ in steps)
    script = script.replace(PORT, product.cairn.address)

    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)

    answers = ran.stdout.split("\036")[:-1]
    assert ran.stderr == ""
    assert len(answers) == len(steps) > 10
    for (command, shown), said in zip(steps, answers, strict=True):
        assert missing(shown, said) == [], command
        assert bool(shown) == bool(said.strip()), command


def test_a_first_start_prints_what_the_page_shows(product: Product):
    wait_until(lambda: "Ctrl-C stops everything" in product.cairn.output, "the last line is told")

    assert len(start_up()) > 10
    assert unsaid(start_up(), product.cairn.output) == []


def test_a_line_that_no_start_prints_is_seen():
    """The negative control of that comparison."""
    output = "Starting PostgreSQL 18 on /srv/x.\nStarting identity.\n"
    shown = ["Starting PostgreSQL 18 on …/x.", "Starting okr."]

    assert unsaid(shown, output) == ["Starting okr."]


def test_another_answer_than_the_page_shows_is_seen():
    """The negative control of the comparison."""
    assert missing('{"value":1, "id":"…"}', '{"value":2,"id":"01a2"}') == []
    assert missing('{"value":1,"note":"x"}', '{"value":1}') == ['"note"', '"x"']
