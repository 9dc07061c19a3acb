"""okr's own loops run: what is only defined, and never started, folds nothing."""

from services.okr import app


def test_every_step_that_the_service_defines_is_one_of_its_loops():
    steps = {
        step
        for name, step in vars(app).items()
        if name.startswith(("_run_due", "_keep")) and callable(step)
    }

    assert {loop for loop, _ in app.SERVICE.loops} == steps
