// A small catalog for the development server: enough actions to see every kind, glyph and form of a row.

export const KINDS = { create: ["Created", "Creado"], update: ["Updated", "Actualizado"], delete: ["Deleted", "Eliminado"], status: ["Status", "Estado"], security: ["Sign-in & security", "Acceso y seguridad"] };

export const TYPES = {
  contact: ["Contact", "Contacto"], campaign: ["Campaign", "Campaña"], template: ["Template", "Plantilla"], account: ["WhatsApp account", "Cuenta de WhatsApp"],
  user: ["User", "Usuario"], role: ["Role", "Rol"], team: ["Team", "Equipo"], webhook: ["Webhook", "Webhook"], api_key: ["API key", "Clave de API"], session: ["Session", "Sesión"], audit: ["Audit log", "Registro"],
};

/** action → kind, severity, sentence in English, sentence in Spanish. */
export const ACTIONS = {
  "contact.created": ["create", "info", "{actor} created contact {resource}", "{actor} creó el contacto {resource}"],
  "contact.updated": ["update", "info", "{actor} updated contact {resource}", "{actor} actualizó el contacto {resource}"],
  "contact.deleted": ["delete", "warning", "{actor} deleted contact {resource}", "{actor} eliminó el contacto {resource}"],
  "contact.merged": ["update", "warning", "{actor} merged contact {absorbed} into {resource}", "{actor} fusionó el contacto {absorbed} con {resource}"],
  "contact.erased": ["delete", "critical", "{actor} erased a contact", "{actor} borró los datos de un contacto"],
  "campaign.created": ["create", "info", "{actor} created campaign {resource}", "{actor} creó la campaña {resource}"],
  "campaign.started": ["status", "notice", "{actor} started campaign {resource}", "{actor} inició la campaña {resource}"],
  "campaign.paused": ["status", "warning", "{actor} paused campaign {resource}", "{actor} pausó la campaña {resource}"],
  "campaign.cancelled": ["status", "warning", "{actor} cancelled campaign {resource}", "{actor} canceló la campaña {resource}"],
  "template.created": ["create", "info", "{actor} created template {resource}", "{actor} creó la plantilla {resource}"],
  "template.edited": ["update", "notice", "{actor} edited template {resource}", "{actor} editó la plantilla {resource}"],
  "template.status_changed": ["status", "warning", "{actor} changed the status of template {resource}", "{actor} cambió el estado de la plantilla {resource}"],
  "account.created": ["create", "notice", "{actor} created WhatsApp account {resource}", "{actor} creó la cuenta de WhatsApp {resource}"],
  "user.role_changed": ["security", "critical", "{actor} changed the role of {resource}", "{actor} cambió el rol de {resource}"],
  "user.deactivated": ["security", "warning", "{actor} deactivated {resource}", "{actor} desactivó a {resource}"],
  "role.updated": ["security", "warning", "{actor} changed role {resource}", "{actor} cambió el rol {resource}"],
  "team.modified": ["update", "info", "{actor} modified team {resource}", "{actor} modificó el equipo {resource}"],
  "webhook.updated": ["update", "warning", "{actor} updated webhook {resource}", "{actor} actualizó el webhook {resource}"],
  "api_key.created": ["security", "warning", "{actor} created API key {resource}", "{actor} creó la clave de API {resource}"],
  "api_key.revoked": ["security", "warning", "{actor} revoked API key {resource}", "{actor} revocó la clave de API {resource}"],
  "auth.login": ["security", "info", "{actor} signed in", "{actor} inició sesión"],
  "auth.sso_login": ["security", "notice", "{actor} signed in with {provider}", "{actor} inició sesión con {provider}"],
  "auth.logout": ["security", "info", "{actor} signed out", "{actor} cerró sesión"],
  "auth.login_failed": ["security", "warning", "Sign-in failed for {resource}", "Falló el inicio de sesión de {resource}"],
  "audit.exported": ["security", "warning", "{actor} exported audit entries", "{actor} exportó entradas del registro"],
  "audit.purged": ["delete", "notice", "Retention removed old entries", "La retención eliminó entradas antiguas"],
};

export const LABELS = {
  status: ["Status", "Estado"], "pause.reason": ["Pause reason", "Motivo de la pausa"], "pause.resume": ["Resume", "Reanudación"], next_batch_at: ["Next send", "Próximo envío"],
  "components.body.text": ["Body", "Cuerpo"], "components.buttons[0].url": ["Button address", "Dirección del botón"], "components.header.handle": ["Sample media handle", "Archivo de muestra"],
  role: ["Role", "Rol"], city: ["City", "Ciudad"], tags: ["Tags", "Etiquetas"], url: ["URL", "URL"], secret: ["Secret", "Secreto"], members: ["Members", "Miembros"], email: ["Email", "Correo"], birthday: ["Birthday", "Cumpleaños"],
  name: ["Name", "Nombre"], phone_e164: ["Phone", "Teléfono"], "consent.marketing": ["Marketing consent", "Consentimiento"], paused_until: ["Paused until", "En pausa hasta"], custom: ["Custom fields", "Campos propios"],
  "moved.messages": ["messages", "mensajes"], "moved.notes": ["notes", "notas"], "moved.campaign_memberships": ["campaign memberships", "campañas"],
};
