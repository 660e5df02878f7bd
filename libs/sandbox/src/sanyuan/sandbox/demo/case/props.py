"""What the case is played with: resources of the national catalogue, found by what they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.starting import Installation
from sanyuan.sandbox.synthetic.cached import SyntheticDataError
from sanyuan.sandbox.synthetic.catalogue.keeping import NAME, load_catalogue
from sanyuan.sandbox.synthetic.departments import DEPARTMENT, MARKET_REGULATION
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE, FOOD_BUSINESS_LICENSE

_TAXPAYERS = "税务登记信息"
_ENTERPRISES = "企业登记信息"


@dataclass(frozen=True, slots=True)
class Props:
    """Two licence types as resources, what the tax administration knows, and the one source."""

    business_license: Resource
    food_license: Resource
    taxpayers: Resource
    enterprises: Resource

    @property
    def codes(self) -> tuple[str, ...]:
        """What has to be in force before the case can be played."""
        resources = (self.business_license, self.food_license, self.taxpayers, self.enterprises)
        return tuple(each.code for each in resources)


def find_props(installation: Installation) -> Props:
    """Read them from the installation's own catalogue; raises SyntheticDataError."""
    path = installation.settings.var / "registers" / NAME
    providers = (MARKET_REGULATION.code, DEPARTMENT["taxation"].code)
    resources = load_catalogue(path, *providers)
    licensed = {each.license_type: each for each in resources if each.license_type}
    named = {each.name: each for each in resources if each.serving_system}
    try:
        return Props(
            business_license=licensed[BUSINESS_LICENSE.code],
            food_license=licensed[FOOD_BUSINESS_LICENSE.code],
            taxpayers=named[_TAXPAYERS],
            enterprises=named[_ENTERPRISES],
        )
    except KeyError as error:
        raise SyntheticDataError(
            f"the national catalogue has no {error}",
            where=str(path),
            do="run make clean and make demo",
        ) from None


def element_of(resources: Iterable[Resource]) -> str:
    """A data element that one of these resources is the authoritative source of."""
    return next(item.element for each in resources for item in each.items if item.element)
