"""Which relay a call takes: the one nearest to all its ends, then the least loaded. Pure; who lives is said by the caller."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from tandem.media.model.members import Member, RegionRow
from tandem.media.model.policy import parsed

FAR_MILLISECONDS = 100  # between regions of which nothing is said
SAMPLES_LEAST = 20  # measured round trips before they count
SAMPLES_WEIGHT = 0.1  # of a new one in the moving average
NEAR_MILLISECONDS = 5  # of difference between sums: no reason to prefer one with more calls
PAIRS_MOST = 16_384  # (region, relay) of which something is known

Address = IPv4Address | IPv6Address
Net = IPv4Network | IPv6Network
Country = Callable[[str], str]


class Regions:
    """`rows`: of tandem.toml; `country`: the ISO code of an address, "" where it is not known."""

    def __init__(
        self, rows: Sequence[RegionRow] = (), country: Country = lambda address: ""
    ) -> None:
        self.rows, self.country = rows, country
        self.nets: dict[tuple[int, int], dict[int, str]] = {}  # (family, prefix): network to region
        self.countries = {code: row.name for row in rows for code in row.countries}
        for row in rows:
            for text in row.networks:
                net = ip_network(text)
                place = self.nets.setdefault((net.version, net.prefixlen), {})
                place[int(net.network_address)] = row.name
        self.lengths = sorted(self.nets, reverse=True)
        self.said = {(row.name, to): ms for row in rows for to, ms in row.milliseconds.items()}
        self.measured: dict[tuple[str, str], tuple[int, float]] = {}  # samples, milliseconds

    def of(self, host: str) -> str:
        """The region of an address: the longest network that holds it, else its country's. "" for names and strangers."""
        found = parsed(host)
        if found is None or not self.rows:
            return ""
        for version, length in self.lengths:
            if version == found.version:
                masked = (
                    int(found) >> (found.max_prefixlen - length) << (found.max_prefixlen - length)
                )
                if region := self.nets[version, length].get(masked):
                    return region
        return self.countries.get(self.country(str(found)), "") if self.countries else ""

    def heard(self, region: str, relay: str, milliseconds: float) -> None:
        """A round trip between a phone of that region and a relay, as the relay measured it."""
        key = (region, relay)
        if not region or (key not in self.measured and len(self.measured) >= PAIRS_MOST):
            return
        samples, mean = self.measured.get(key, (0, milliseconds))
        self.measured[key] = samples + 1, mean + SAMPLES_WEIGHT * (milliseconds - mean)

    def distance(self, region: str, relay: Member) -> float:
        """Milliseconds there and back: measured, else said, else 0 in one region and FAR_MILLISECONDS between two."""
        samples, mean = self.measured.get((region, relay.name), (0, 0.0))
        if samples >= SAMPLES_LEAST:
            return mean
        if region == relay.region or not region or not relay.region:
            return 0.0
        said = self.said.get((region, relay.region), self.said.get((relay.region, region)))
        return float(FAR_MILLISECONDS if said is None else said)

    def nearest(
        self, hosts: Iterable[str], living: Sequence[Member], calls: Mapping[str, int]
    ) -> Member:
        """Of those that live, one at least. `calls`: how many each has."""
        ends = [self.of(host) for host in hosts] if self.rows else []
        sums = [sum(self.distance(end, one) for end in ends) for one in living]
        least = min(sums) + NEAR_MILLISECONDS
        near = [one for one, far in zip(living, sums, strict=True) if far <= least]
        return min(near, key=lambda one: (calls.get(one.name, 0) + 1) / one.weight)
