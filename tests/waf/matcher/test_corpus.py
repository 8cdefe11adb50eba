"""Some of the tests of CRS with nomination and without; `make waf-nomination` runs all."""

import pytest

from callout.testing.data import require
from tests.waf.matcher.corpus import CACHE, cases, differences, rules
from waf.matcher.cache import Cache
from waf.matcher.library import Library


@pytest.mark.parametrize("accelerated", [True, False], ids=["hyperscan", "re2"])
def test_the_same_rules_match_the_same_with_nomination_and_without(accelerated: bool) -> None:
    require("crs/tests/regression/tests")
    loaded = rules(paranoia=1)
    matcher = Library(Cache(CACHE), accelerated=accelerated).matcher(loaded)
    asked = cases(every=20)

    assert matcher.accelerated is accelerated
    assert len(asked) > 250
    assert differences(loaded, asked, matcher) == []
