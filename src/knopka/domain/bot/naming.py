"""What a handler is called in a run's log: as its author wrote it."""

from __future__ import annotations

from collections.abc import Mapping

from knopka.domain.bot import script
from knopka.domain.bot.script import Handler

NAMES: Mapping[type, str] = {
    script.Show: "show",
    script.Buttons: "buttons",
    script.Goto: "goto",
    script.WaitAnswer: "wait_answer",
    script.If: "condition",
    script.Validate: "validations",
    script.FindDouble: "find",
    script.Filter: "filter",
    script.GetBaseInfo: "contacts.get_base_info",
    script.ValidateBaseInfo: "contacts.validate_base_info",
    script.Split: "meta",
    script.Stop: "stop",
    script.WidgetRequest: "widget_request",
    script.SendInternal: "send_internal",
    script.SendExternal: "send_external_message",
    script.Pause: "knopka_pause",
    script.WaitFor: "knopka_wait",
    script.Http: "knopka_http",
    script.Handover: "knopka_handover",
    script.DecideUnsorted: "unsorted",
    script.ChangeStatus: "change_status",
    script.SetTag: "set_tag",
    script.UnsetTag: "unset_tag",
    script.SetField: "set_custom_fields",
    script.SetBudget: "set_budget",
    script.AddLeadContact: "add_lead_contact",
    script.AddNote: "add_note",
    script.Link: "link",
    script.ChangeResponsible: "change_responsible_user",
}


def name_handler(handler: Handler) -> str:
    match handler:
        case script.Nothing(name=name):
            return name
        case script.Subscribe(is_on=is_on):
            return "subscribe" if is_on else "unsubscribe"
        case _:
            return NAMES[type(handler)]
