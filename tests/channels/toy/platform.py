"""The toy's entry in the table of messengers."""

from knopka.platforms import Platform
from tests.channels.toy.toy import Toy

TOY = Platform(Toy, Toy.caps, Toy.parameters, "https://toy.example", ("toy.example",), "viber_api")
