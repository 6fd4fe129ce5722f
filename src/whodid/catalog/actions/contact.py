"""Contacts: the people whom the workspace writes to."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, API, CRM_SYNC, MADRID, MARIA, WEBHOOK, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {
    "name": "personal",
    "phone_e164": "personal",
    "bsuid": "personal",
    "username": "personal",
    "email": "personal",
    "birthday": "personal",
}
_JUAN = {"type": "contact", "id": "con_7J2R", "name": "Juan Pérez"}

ACTIONS = (
    Action(
        name="contact.created",
        kind="create",
        severity="info",
        sensitivity="P",
        resource_type="contact",
        named=True,
        classes=_CLASSES,
        label={"en": "Contact created", "es": "Contacto creado"},
        sentences={
            "en": Wording(
                success="{actor} created contact {resource}",
                denied="{actor} was not allowed to create contact {resource}",
                failed="{actor} tried to create contact {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó el contacto {resource}",
                denied="{actor} no tuvo permiso para crear el contacto {resource}",
                failed="{actor} intentó sin éxito crear el contacto {resource}",
            ),
        },
        example=said(
            28,
            "2026-11-20T12:40:02.310Z",
            "contact.created",
            CRM_SYNC,
            {"type": "contact", "id": "con_2L8F", "name": "Lucía Ferrer"},
            changes=[
                {"path": "name", "op": "add", "after": "Lucía Ferrer", "class": "personal"},
                {"path": "phone_e164", "op": "add", "after": "+34622901177", "class": "personal"},
                {"path": "city", "op": "add", "after": "Madrid"},
                {"path": "consent.marketing", "op": "add", "after": "opted_in"},
            ],
            context=API,
        ),
    ),
    Action(
        name="contact.updated",
        kind="update",
        severity="info",
        sensitivity="P",
        resource_type="contact",
        named=True,
        classes=_CLASSES,
        label={"en": "Contact updated", "es": "Contacto modificado"},
        sentences={
            "en": Wording(
                success="{actor} updated contact {resource}",
                denied="{actor} was not allowed to update contact {resource}",
                failed="{actor} tried to update contact {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó el contacto {resource}",
                denied="{actor} no tuvo permiso para modificar el contacto {resource}",
                failed="{actor} intentó sin éxito modificar el contacto {resource}",
            ),
        },
        example=said(
            29,
            "2026-11-18T09:26:51.777Z",
            "contact.updated",
            MARIA,
            _JUAN,
            changes=[
                {"path": "city", "before": "Getafe", "after": "Madrid"},
                {"path": "tags", "op": "set", "added": ["vip"], "removed": []},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="contact.deleted",
        kind="delete",
        severity="warning",
        sensitivity="P",
        resource_type="contact",
        named=True,
        classes=_CLASSES,
        label={"en": "Contact deleted", "es": "Contacto eliminado"},
        sentences={
            "en": Wording(
                success="{actor} deleted contact {resource}",
                denied="{actor} was not allowed to delete contact {resource}",
                failed="{actor} tried to delete contact {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el contacto {resource}",
                denied="{actor} no tuvo permiso para eliminar el contacto {resource}",
                failed="{actor} intentó sin éxito eliminar el contacto {resource}",
            ),
        },
        example=said(
            30,
            "2026-11-20T13:32:07.486Z",
            "contact.deleted",
            MARIA,
            _JUAN,
            changes=[
                {"path": "name", "op": "remove", "before": "Juan Pérez", "class": "personal"},
                {"path": "phone_e164", "op": "remove", "before": "+34655018342", "class": "personal"},
                {"path": "city", "op": "remove", "before": "Madrid"},
                {"path": "tags", "op": "set", "added": [], "removed": ["vip"]},
            ],
            reason={"text": "Asked to be removed by phone, ticket #2231"},
            context=MADRID,
        ),
    ),
    Action(
        name="contact.merged",
        kind="update",
        severity="warning",
        sensitivity="P",
        resource_type="contact",
        named=True,
        classes=_CLASSES,
        label={"en": "Contacts merged", "es": "Contactos fusionados"},
        sentences={
            "en": Wording(
                success=(
                    "{actor} merged contact {absorbed} into {resource}",
                    "{actor} merged a contact into {resource}",
                ),
                denied="{actor} was not allowed to merge a contact into {resource}",
                failed="{actor} tried to merge a contact into {resource} without success",
            ),
            "es": Wording(
                success=(
                    "{actor} fusionó el contacto {absorbed} con {resource}",
                    "{actor} fusionó un contacto con {resource}",
                ),
                denied="{actor} no tuvo permiso para fusionar un contacto con {resource}",
                failed="{actor} intentó sin éxito fusionar un contacto con {resource}",
            ),
        },
        parts={"messages": "details.moved.messages", "notes": "details.moved.notes"},
        summaries={
            "en": "Messages moved: {messages}, notes moved: {notes}",
            "es": "Mensajes movidos: {messages}, notas movidas: {notes}",
        },
        example=said(
            31,
            "2026-11-20T13:28:50.153Z",
            "contact.merged",
            MARIA,
            {"type": "contact", "id": "con_4H7P", "name": "Ana García López"},
            related=[{"type": "contact", "id": "con_9K1D", "name": "Ana Garcia", "rel": "absorbed"}],
            changes=[
                {"path": "email", "op": "add", "after": "ana.gl@correo.es", "class": "personal", "from": "con_9K1D"},
                {"path": "birthday", "op": "add", "after": "--05-12", "class": "personal", "from": "con_9K1D"},
                {"path": "tags", "op": "set", "added": ["ramadan-24"], "removed": []},
                {"path": "consent.marketing", "before": "opted_in", "after": "opted_out", "from": "con_9K1D"},
            ],
            details={
                "survivor": "con_4H7P",
                "absorbed": "con_9K1D",
                "matched_by": ["phone_e164"],
                "fields": [
                    {
                        "path": "name",
                        "survivor": "Ana García López",
                        "absorbed": "Ana Garcia",
                        "winner": "survivor",
                        "rule": "survivor_has_value",
                        "class": "personal",
                    },
                    {
                        "path": "email",
                        "survivor": None,
                        "absorbed": "ana.gl@correo.es",
                        "winner": "absorbed",
                        "rule": "survivor_empty",
                        "class": "personal",
                    },
                    {
                        "path": "city",
                        "survivor": "Madrid",
                        "absorbed": "Getafe",
                        "winner": "survivor",
                        "rule": "chosen_by_user",
                    },
                    {
                        "path": "consent.marketing",
                        "survivor": "opted_in 2025-03-03",
                        "absorbed": "opted_out 2026-10-09",
                        "winner": "absorbed",
                        "rule": "strictest_wins",
                    },
                ],
                "moved": {"messages": 38, "notes": 4, "campaign_memberships": 2, "call_logs": 0},
            },
            context=MADRID,
        ),
    ),
    Action(
        name="contact.erased",
        kind="delete",
        severity="critical",
        resource_type="contact",
        classes=_CLASSES,
        label={"en": "Contact erased", "es": "Contacto borrado por completo"},
        sentences={
            "en": Wording(
                success="{actor} erased a contact and every trace of the person",
                denied="{actor} was not allowed to erase a contact",
                failed="{actor} tried to erase a contact without success",
            ),
            "es": Wording(
                success="{actor} borró un contacto y todo rastro de la persona",
                denied="{actor} no tuvo permiso para borrar un contacto",
                failed="{actor} intentó sin éxito borrar un contacto",
            ),
        },
        parts={"request": "details.request", "fields": "details.fields", "entries": "details.entries"},
        summaries={
            "en": "Request {request}, fields erased: {fields}, entries: {entries}",
            "es": "Solicitud {request}, campos borrados: {fields}, entradas: {entries}",
        },
        example=said(
            32,
            "2026-11-19T10:22:18.940Z",
            "contact.erased",
            AISHA,
            {"type": "contact", "id": "con_1Z6M"},
            details={"request": "#2244", "fields": 14, "entries": 31},
            context=MADRID,
        ),
    ),
    Action(
        name="contact.consent_changed",
        kind="security",
        severity="notice",
        sensitivity="P",
        resource_type="contact",
        classes=_CLASSES,
        label={"en": "Marketing consent changed", "es": "Consentimiento de marketing cambiado"},
        sentences={
            "en": Wording(
                success="{actor} changed the marketing consent of {resource}",
                denied="{actor} was not allowed to change the marketing consent of {resource}",
                failed="{actor} tried to change the marketing consent of {resource} without success",
            ),
            "es": Wording(
                success="{actor} cambió el consentimiento de marketing de {resource}",
                denied="{actor} no tuvo permiso para cambiar el consentimiento de marketing de {resource}",
                failed="{actor} intentó sin éxito cambiar el consentimiento de marketing de {resource}",
            ),
        },
        example=said(
            33,
            "2026-11-20T07:03:26.281Z",
            "contact.consent_changed",
            {"type": "provider", "id": "whatsapp", "name": "WhatsApp"},
            _JUAN,
            changes=[
                {"path": "consent.marketing", "before": "opted_in", "after": "opted_out"},
                {"path": "consent.source", "before": "web_form", "after": "whatsapp"},
            ],
            context=WEBHOOK,
        ),
    ),
    Action(
        name="contact.imported",
        kind="create",
        severity="notice",
        resource_type="contact",
        label={"en": "Contacts imported", "es": "Contactos importados"},
        sentences={
            "en": Wording(
                success=("{actor} imported {count} contacts", "{actor} imported contacts"),
                denied="{actor} was not allowed to import contacts",
                failed="{actor} tried to import contacts without success",
            ),
            "es": Wording(
                success=("{actor} importó {count} contactos", "{actor} importó contactos"),
                denied="{actor} no tuvo permiso para importar contactos",
                failed="{actor} intentó sin éxito importar contactos",
            ),
        },
        parts={"count": "details.rows", "file": "details.file", "skipped": "details.skipped"},
        summaries={"en": "{file}, skipped: {skipped}", "es": "{file}, omitidos: {skipped}"},
        example=said(
            34,
            "2026-11-17T15:31:44.029Z",
            "contact.imported",
            MARIA,
            {"type": "contact", "id": "imp_77", "name": "clients-nov.csv"},
            batch="imp_77",
            details={
                "file": "clients-nov.csv",
                "rows": 1_204,
                "created": 1_103,
                "updated": 64,
                "skipped": 37,
                "errors": 0,
            },
            context={**MADRID, "source": "import"},
        ),
    ),
    Action(
        name="contact.exported",
        kind="security",
        severity="warning",
        resource_type="contact",
        label={"en": "Contacts exported", "es": "Contactos exportados"},
        sentences={
            "en": Wording(
                success=("{actor} exported {count} contacts", "{actor} exported contacts"),
                denied="{actor} was not allowed to export contacts",
                failed="{actor} tried to export contacts without success",
            ),
            "es": Wording(
                success=("{actor} exportó {count} contactos", "{actor} exportó contactos"),
                denied="{actor} no tuvo permiso para exportar contactos",
                failed="{actor} intentó sin éxito exportar contactos",
            ),
        },
        parts={"format": "details.format", "columns": "details.columns"},
        summaries={"en": "{format}, columns: {columns}", "es": "{format}, columnas: {columns}"},
        example=said(
            35,
            "2026-11-10T16:49:30.615Z",
            "contact.exported",
            MARIA,
            {"type": "contact", "id": "exp_12", "name": "contacts-2026-11-10.csv"},
            details={
                "count": 8_310,
                "format": "CSV",
                "columns": ["name", "phone_e164", "city", "tags"],
                "filter": "lifecycle = customer",
            },
            context=MADRID,
        ),
    ),
)
