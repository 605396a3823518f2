from __future__ import annotations

import io

from raise_agent.experiments.progress import ProgressDisplay, describe
from raise_agent.planners.runner import Tally


def test_a_line_says_what_people_wait_for() -> None:
    tally = Tally(searches=100, finished=25, scored=500, cached=40, unscored=3)
    line = describe("planning", tally, 10.0, simulated=True)
    assert line == (
        "planning (simulated): 25/100 searches, 500 evaluations (50/s), 40 from store, 3 unscored, ETA 30 s"
    )


def test_the_time_left_is_known_before_the_first_search_ends() -> None:
    tally = Tally(searches=100, finished=0, scored=500)
    assert describe("planning", tally, 10.0, simulated=False).endswith("ETA ?")
    assert describe("planning", tally, 10.0, simulated=False, evaluations=20).endswith("ETA 30 s")


def test_away_from_a_terminal_there_are_plain_lines_now_and_then() -> None:
    now, stream = [0.0], io.StringIO()
    with ProgressDisplay("planning", simulated=True, stream=stream, clock=lambda: now[0]) as display:
        for second in range(25):
            now[0] = float(second)
            display.update(Tally(searches=50, finished=2 * second, scored=second))
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "planning (simulated): 20/50 searches",
        "planning (simulated): 40/50 searches",
        "planning (simulated): 48/50 searches",
    ]
    assert "\x1b" not in stream.getvalue()
