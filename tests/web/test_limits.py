"""The counters of callers, and what can be set of them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

import pytest

from knopka.domain.errors import InvalidInput, TooMany
from knopka.web.context import ChatSockets, count_address
from knopka.web.limits import Counter, Limits, Rate
from knopka.web.server import Gate


@dataclass
class Hands:
    """A clock that is moved by hand."""

    at: float = 600.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def counter(hands: Hands) -> Counter:
    return Counter(Rate(60, 60), clock=hands)


def refusal(counter: Counter, key: str = "a", cost: int = 1) -> float:
    with pytest.raises(TooMany) as caught:
        counter.take(key, cost)
    return caught.value.retry_after


def test_as_many_as_the_rate_says_pass_and_the_next_does_not(counter: Counter) -> None:
    for _ in range(60):
        counter.take("a")
    assert refusal(counter) >= 1


def test_one_caller_uses_up_nothing_of_another(counter: Counter) -> None:
    counter.take("a", 60)
    counter.take("b", 60)


def test_a_call_costs_what_it_carries(counter: Counter) -> None:
    counter.take("a", 50)
    refusal(counter, cost=11)
    counter.take("a", 10)


def test_a_refused_call_costs_nothing(counter: Counter) -> None:
    counter.take("a", 59)
    for _ in range(5):
        refusal(counter, cost=2)
    counter.take("a")


def test_a_burst_on_the_border_of_two_periods_is_seen(counter: Counter, hands: Hands) -> None:
    hands.at = 659.9
    counter.take("a", 60)
    hands.at = 660.1
    refusal(counter)


@pytest.mark.parametrize("used_at", [600.0, 630.0, 659.0])
def test_who_waits_as_long_as_told_is_let_in_and_not_much_earlier(
    counter: Counter, hands: Hands, used_at: float
) -> None:
    hands.at = used_at
    counter.take("a", 60)
    began = hands.at
    wait = refusal(counter, cost=20)
    hands.at = began + wait - 2
    refusal(counter, cost=20)
    hands.at = began + wait
    counter.take("a", 20)


def test_after_two_quiet_periods_nothing_counts(counter: Counter, hands: Hands) -> None:
    counter.take("a", 60)
    hands.at += 120
    counter.take("a", 60)


def test_a_call_larger_than_the_rate_passes_alone(hands: Hands) -> None:
    counter = Counter(Rate(5, 60), clock=hands)
    counter.take("a", 20)
    refusal(counter)


def test_D_08_memory_is_bounded_whoever_calls(hands: Hands) -> None:
    counter = Counter(Rate(60, 60), clock=hands, max_keys=100)
    for number in range(1_000):
        counter.take(str(number))
    assert len(counter._now) == 100
    assert counter.forgotten == 900


def test_a_limit_can_be_moved_in_both_directions() -> None:
    limits = Limits.from_toml('meta_per_visit = "5/min"\nmeta_per_address = "90000/min"\nsockets = 20\n')
    assert limits.meta_per_visit == Rate(5, 60)
    assert limits.meta_per_address == Rate(90_000, 60)
    assert limits.sockets == 20
    assert limits.messages_per_visitor == Limits().messages_per_visitor


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('meta_per_visit = "off"', "meta_per_visit"),
        ('meta_per_visit = "0/min"', "meta_per_visit"),
        ("meta_per_visit = 0", "meta_per_visit"),
        ("sockets = 0", "sockets"),
        ("sockets = true", "sockets"),
        ('sockets = "off"', "sockets"),
        ('meta = "5/min"', "meta"),
    ],
)
def test_a_limit_cannot_be_switched_off_or_misspelt(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Limits.from_toml(text)
    assert [fault.path for fault in caught.value.faults] == [f"KNOPKA_LIMITS: {place}"]


def test_an_unreadable_file_is_told_with_its_place() -> None:
    with pytest.raises(InvalidInput, match="KNOPKA_LIMITS"):
        Limits.from_toml("meta_per_visit = =")


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1:49152", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2:80", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
        ("10.0.0.1", "[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("10.0.0.1", "2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1:port", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, [2001:db8:1:2::7]80", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "x" * 9000, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("fd00::1", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "", "203.0.113.9"),
        ("", "", ""),
    ],
)
def test_callers_are_counted_by_the_right_most_hop_that_we_do_not_trust(
    peer: str, forwarded: str, counted: str
) -> None:
    assert count_address(peer, forwarded, PROXIES) == counted


def test_without_trusted_proxies_nobody_else_is_believed() -> None:
    assert count_address("127.0.0.1", "198.51.100.1", ()) == "127.0.0.1"


def test_the_gate_counts_all_sockets_and_those_of_one_peer() -> None:
    gate = Gate(most=3, most_per_peer=2, is_proxy=lambda peer: peer == "proxy")
    assert [gate.enter("a"), gate.enter("a"), gate.enter("a")] == [True, True, False]
    assert gate.enter("b")
    assert not gate.enter("c")
    gate.leave("a")
    assert gate.enter("c")
    assert gate.refused == 2


def test_a_trusted_proxy_may_hold_more_sockets_than_one_caller() -> None:
    gate = Gate(most=10, most_per_peer=1, is_proxy=lambda peer: peer == "proxy")
    assert all(gate.enter("proxy") for _ in range(5))


def test_the_gate_forgets_who_has_left() -> None:
    gate = Gate(most=10, most_per_peer=5, is_proxy=lambda _: False)
    for number in range(1_000):
        gate.enter(str(number))
        gate.leave(str(number))
    assert (gate.open, len(gate.by_peer)) == (0, 0)


def test_S_WS_03_a_visitor_holds_five_sockets_and_no_more() -> None:
    sockets = ChatSockets(1)
    with sockets.hold("a") as first, sockets.hold("a") as second, sockets.hold("b") as other:
        assert (first, second, other) == (True, False, True)
    with sockets.hold("a") as again:
        assert again
