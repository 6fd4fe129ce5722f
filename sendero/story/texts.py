"""The templates of the story."""

from __future__ import annotations

from typing import Any

__all__ = ["DIWALI", "DRAFTS", "EDITS", "OFFERS", "ORDER_UPDATE", "SUMMER", "TEMPLATES", "TRIAL"]


def _text(name: str, shown: str, language: str, category: str, body: str, *samples: str, **more: Any) -> dict[str, Any]:
    kind = {"name": name, "display_name": shown, "language": language, "category": category}
    return {**kind, "body": body, "samples": list(samples), **more}


ORDER_UPDATE = _text(
    "order_update",
    "Order update",
    "en",
    "utility",
    "Hi {{1}}, your order {{2}} has been confirmed and will arrive soon. Track it any time with the button below.",
    "Ana",
    "CL-20418",
    buttons=[{"type": "url", "text": "Track order", "value": "https://casalumen.es/orders"}],
)
SUMMER = _text(
    "summer_24",
    "Summer 24",
    "es",
    "marketing",
    "El verano llega a Casa Lumen, {{1}}: lámparas de terraza con {{2}} de descuento hasta el domingo.",
    "Ana",
    "20 %",
)
DIWALI = _text(
    "diwali_offer_2026",
    "Diwali offer 2026",
    "es",
    "marketing",
    "Hola {{1}}, celebra Diwali con luz propia: {{2}} en toda la colección hasta el lunes.",
    "Ana",
    "15 %",
    footer="Responde BAJA para no recibir más mensajes",
)
TRIAL = _text(
    "prueba_codigo_qr",
    "Prueba QR",
    "es",
    "utility",
    "Hola {{1}}, enseña este código en caja: {{2}}. Gracias.",
    "Ana",
    "Q7",
)
OFFERS = (
    _text(
        "novedades_lumen",
        "Novedades",
        "es",
        "marketing",
        "Hola {{1}}, ya están aquí las novedades de Casa Lumen: {{2}}. Pásate a verlas cuando quieras.",
        "Ana",
        "la serie Duna",
        footer="Responde BAJA para no recibir más mensajes",
    ),
    _text(
        "rebajas_lumen",
        "Rebajas",
        "es",
        "marketing",
        "Hola {{1}}, rebajas en Casa Lumen: {{2}} menos en lámparas seleccionadas, solo esta semana.",
        "Ana",
        "30 %",
        header_format="image",
        media={"handle": "4::aW1hZ2UvanBlZw==:6f1d0c52b7a94e0f8a3b5c1e9d274680", "file": "rebajas.jpg"},
        footer="Responde BAJA para no recibir más mensajes",
    ),
    _text(
        "puntos_lumen",
        "Puntos",
        "es",
        "marketing",
        "Hola {{1}}, tus puntos Lumen caducan el {{2}}. Úsalos en tienda o en la web antes de esa fecha.",
        "Ana",
        "31 de diciembre",
    ),
    _text(
        "seguimiento_pedido",
        "Seguimiento del pedido",
        "es",
        "utility",
        "Hola {{1}}, gracias por tu compra. Si algo no está bien, responde a este mensaje y te ayudamos.",
        "Ana",
    ),
)
"""What campaigns send; nobody edits them on ordinary days."""

TEMPLATES = (
    *OFFERS,
    ORDER_UPDATE,
    SUMMER,
    _text(
        "bienvenida_lumen",
        "Bienvenida",
        "es",
        "marketing",
        "Hola {{1}}, gracias por venir a Casa Lumen. Hasta pronto.",
        "Ana",
    ),
    _text(
        "pedido_confirmado",
        "Pedido confirmado",
        "es",
        "utility",
        "Hola {{1}}, tu pedido {{2}} está confirmado. Te avisaremos cuando salga del almacén.",
        "Ana",
        "CL-20418",
    ),
    _text(
        "pedido_en_camino",
        "Pedido en camino",
        "es",
        "utility",
        "Hola {{1}}, tu pedido {{2}} está en camino y llegará {{3}}. Gracias por tu paciencia.",
        "Ana",
        "CL-20418",
        "mañana",
        buttons=[{"type": "url", "text": "Ver envío", "value": "https://casalumen.es/envios"}],
    ),
    _text(
        "codigo_acceso",
        "Código de acceso",
        "es",
        "authentication",
        "Tu código de Casa Lumen es {{1}}. Caduca en diez minutos.",
        "482913",
    ),
)
"""Written before the story begins."""

DRAFTS: tuple[dict[str, Any], ...] = (
    _text(
        "loyalty_points_reminder",
        "Puntos Lumen",
        "es",
        "marketing",
        "Hola {{1}}, tienes {{2}} puntos Lumen. Úsalos antes del {{3}} en tienda o en la web.",
        "Ana",
        "240",
        "31 de diciembre",
    ),
    _text(
        "valora_tu_compra",
        "Valora tu compra",
        "es",
        "utility",
        "Hola {{1}}, ¿qué tal tu nueva lámpara? Cuéntanoslo en un minuto, nos ayuda mucho.",
        "Ana",
        buttons=[
            {"type": "quick_reply", "text": "Muy bien", "value": ""},
            {"type": "quick_reply", "text": "Regular", "value": ""},
        ],
    ),
    _text(
        "vuelve_a_haber",
        "Vuelve a haber",
        "es",
        "marketing",
        "Hola {{1}}, vuelve a haber existencias de {{2}}. Te la guardamos hasta el viernes.",
        "Ana",
        "Aplique Duna",
    ),
    _text(
        "cita_showroom",
        "Cita en el showroom",
        "es",
        "utility",
        "Hola {{1}}, te esperamos en el showroom el {{2}}. Gracias.",
        "Ana",
        "martes a las 17:00",
    ),
    _text(
        "entrega_retrasada",
        "Entrega retrasada",
        "es",
        "utility",
        "Hola {{1}}, tu entrega se retrasa al {{2}}. Lo sentimos; puedes elegir otro día.",
        "Ana",
        "jueves",
        buttons=[{"type": "phone_number", "text": "Llamar", "value": "+34 910 555 014"}],
    ),
    _text(
        "delivery_delayed",
        "Delivery delayed",
        "en",
        "utility",
        "Hi {{1}}, your delivery is delayed until {{2}}. Sorry; you can choose another day below.",
        "Ana",
        "Thursday",
    ),
    _text(
        "black_friday_lumen",
        "Black Friday",
        "es",
        "marketing",
        "Hola {{1}}, el Black Friday de Casa Lumen empieza el {{2}}.",
        "Ana",
        "viernes",
    ),
    _text(
        "arquitectos_catalogo",
        "Catálogo para arquitectos",
        "es",
        "marketing",
        "Hola {{1}}, el nuevo catálogo para profesionales ya está listo.",
        "Ana",
    ),
    _text(
        "devolucion_recibida",
        "Devolución recibida",
        "es",
        "utility",
        "Hola {{1}}, hemos recibido tu devolución {{2}}. Gracias.",
        "Ana",
        "DV-118",
    ),
)
"""What the story may still write."""

EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "es": (
        ("Gracias", "Muchas gracias"),
        ("Hola {{1}}", "Buenos días, {{1}}"),
        ("hasta el domingo", "hasta agotar existencias"),
        ("Te avisaremos cuando salga", "Te escribiremos en cuanto salga"),
        ("en tienda o en la web", "en nuestras tiendas o en la web"),
        ("Lo sentimos", "Sentimos las molestias"),
    ),
    "en": (
        ("Sorry", "We are sorry"),
        ("will arrive soon", "should arrive soon"),
        ("Hi {{1}}", "Hello {{1}}"),
    ),
}
"""Language → words and what replaces them."""
