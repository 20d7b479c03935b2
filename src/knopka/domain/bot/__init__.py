"""Salesbot: scripts as amoCRM documents them, loaded with every fault named, and run without any I/O."""

from knopka.domain.bot.engine import is_awaited as is_awaited
from knopka.domain.bot.engine import run as run
from knopka.domain.bot.scope import Values as Values
