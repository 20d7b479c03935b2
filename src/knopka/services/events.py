"""What is said to open sockets after the commit: to all operators, and to one visitor."""

from __future__ import annotations

from knopka.db import conversations as db
from knopka.db.database import Transaction
from knopka.domain.conversation import Conversation, Message
from knopka.services import shapes


def publish_conversation(
    tx: Transaction, account_id: int, conversation_id: int, message: Message | None
) -> None:
    """Tell the operators how the conversation stands, and its new message if there is one."""
    found = db.find_conversation(tx, account_id, conversation_id)
    if found is not None:
        _publish(tx, account_id, found, message)


def publish_conversations(tx: Transaction, account_id: int, lead_id: int) -> None:
    """The same for every conversation of a lead whose names or state have changed."""
    for found in db.list_of_lead(tx, account_id, lead_id):
        _publish(tx, account_id, found, None)


def _publish(tx: Transaction, account_id: int, found: Conversation, message: Message | None) -> None:
    event = {
        "type": "conversation",
        "conversation": shapes.summary(found),
        "message": None if message is None else shapes.desk_message(message),
    }
    tx.publish(f"account:{account_id}", event)


def publish_card(tx: Transaction, account_id: int, lead_id: int) -> None:
    """Tell the operators that the lead's card is worth reading again."""
    tx.publish(f"account:{account_id}", {"type": "card", "lead_id": lead_id})


def publish_message(tx: Transaction, visitor_id: int, message: Message) -> None:
    """Tell the visitor's windows of a message, his own included: he may have several."""
    event = {
        "type": "message",
        "conversation_id": message.conversation_id,
        "message": shapes.message(message),
    }
    tx.publish(f"visitor:{visitor_id}", event)


def publish_seen(tx: Transaction, visitor_id: int, conversation_id: int, operator_read_seq: int) -> None:
    """Tell the visitor how far an operator has read."""
    event = {"type": "seen", "conversation_id": conversation_id, "operator_read_seq": operator_read_seq}
    tx.publish(f"visitor:{visitor_id}", event)
