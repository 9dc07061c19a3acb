"""The tests; what they share asserts as readably as they do."""

import pytest

pytest.register_assert_rewrite("tests.support")
