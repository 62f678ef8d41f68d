"""Means and their uncertainty."""

import math

import pytest

from alf.player.results import EpisodeResult, mean_and_ci95


class TestMeanAndCi95:
    def test_by_hand(self):
        """1, 2, 3: mean 2, deviation 1, t(2) = 4.303, so 4.303 * 1 / sqrt(3) = 2.484."""
        mean, half = mean_and_ci95([1.0, 2.0, 3.0])

        assert mean == 2.0
        assert half == pytest.approx(4.303 / math.sqrt(3))

    def test_one_value_says_nothing_about_its_spread(self):
        """One episode has a mean and no interval."""
        assert mean_and_ci95([5.0]) == (5.0, None)

    def test_equal_values_have_no_spread(self):
        """The interval of a constant has width 0."""
        assert mean_and_ci95([4.0] * 10) == (4.0, 0.0)

    @pytest.mark.parametrize(("n", "t"), [(31, 2.042), (41, 2.021), (61, 2.000), (121, 1.980)])
    def test_table_and_expansion_meet(self, n, t):
        """Beyond the table the expansion is right to two digits behind the point."""
        values = [-1.0, 1.0] * (n // 2) + [0.0]
        deviation = math.sqrt(sum(v * v for v in values) / (n - 1))
        _, half = mean_and_ci95(values)

        assert half is not None
        assert half * math.sqrt(n) / deviation == pytest.approx(t, abs=2e-3)


class TestEpisodeResult:
    def test_report_uses_the_words_of_the_report(self):
        """The keys are seed, return, length, ended."""
        expected = {"seed": 3, "return": 2.5, "length": 7, "ended": "truncated"}

        assert expected == EpisodeResult(3, 2.5, 7, "truncated").as_dict()

    def test_a_time_limit_is_said(self):
        """A person sees that an episode did not end by itself."""
        assert "time limit" in str(EpisodeResult(3, 2.5, 7, "truncated"))
        assert "time limit" not in str(EpisodeResult(3, 2.5, 7, "terminated"))
