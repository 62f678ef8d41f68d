"""What the contracts promise, as functions: for the tests of algorithms and environments of yours.

    from alf.testing import check_algorithm, check_environment

    def test_my_environment():
        check_environment(lambda: MyEnvironment())

Each checks one promise after the other and raises `ContractError`, an `AssertionError`, at the
first that is broken: which promise, at which step, what was expected and what came, and what to do.
"""

from alf.errors import ContractError
from alf.testing.algorithm_checks import AlgorithmReport, check_algorithm
from alf.testing.environment_checks import EnvironmentReport, check_environment

__all__ = [
    "AlgorithmReport",
    "ContractError",
    "EnvironmentReport",
    "check_algorithm",
    "check_environment",
]
