"""The titles of the detection rules that come with whodid, in English and Spanish; `locales` has the other languages.

The English titles are those of the rules themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["RULES"]

RULES: Mapping[str, tuple[str, str]] = {
    "new_country": ("Sign-in from a new country", "Inicio de sesión desde un país nuevo"),
    "impossible_travel": ("Impossible travel", "Viaje imposible"),
    "unusual_hour": ("Sign-in at an unusual hour", "Inicio de sesión a una hora inusual"),
    "unusual_hour_act": (
        "Sensitive act after a sign-in at an unusual hour",
        "Acto delicado tras un inicio de sesión a una hora inusual",
    ),
    "unknown_device": ("Unknown device on an unknown network", "Dispositivo desconocido en una red desconocida"),
    "anonymous_network": (
        "Sign-in from a hosting or anonymous network",
        "Inicio de sesión desde una red anónima o de alojamiento",
    ),
    "password_guessing": ("Guessing the password of one person", "Alguien adivina una contraseña"),
    "password_spraying": ("Trying passwords on many accounts", "Alguien prueba contraseñas con muchas personas"),
    "guessed_password": ("Guessing that worked", "Una contraseña fue adivinada"),
    "power_granted": ("Power was granted", "Se concedió poder"),
    "risky_key": ("A risky API key was created", "Clave de API arriesgada"),
    "many_keys": ("Many API keys within an hour", "Muchas claves de API en poco tiempo"),
    "dead_key": ("A dead key is still in use", "Uso repetido de una clave muerta"),
    "dead_key_networks": ("A dead key is used from several networks", "Clave muerta usada desde varias redes"),
    "protection_weakened": ("A protection was weakened", "Se debilitó una protección"),
    "log_touched": ("The audit log was touched", "Se tocó el registro de auditoría"),
    "bulk_removal": ("Bulk removal", "Borrado masivo"),
    "bulk_export": ("Bulk export", "Exportación masiva"),
    "takeover": ("An account may have been taken over", "Una cuenta puede haber sido tomada"),
    "by_hand": ("Raised by a person", "Emitida por una persona"),
}
"""By name of the rule; `by_hand` is the alert that a person raises."""
