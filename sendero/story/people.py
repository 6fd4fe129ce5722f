"""Invented customers: names, addresses and what is known of them."""

from __future__ import annotations

from random import Random
from typing import Any

from sendero.service.contacts import folded

__all__ = ["ALONE", "CITIES", "TAGS", "birthday", "customer", "email_of"]

ALONE = ("Juan Pérez", "Ana García López", "Carmen Ortega Lara", "Lucía Ferrer")
"""Names that only one person of the story may have: its threads find them by these."""

_FIRST = """
    Adrián Agustín Aina Alba Alejandro Alicia Álvaro Amaia Ana Andrea Ángel Antonio Beatriz Begoña Belén Bruno Candela
    Carla Carmen Celia Clara Claudia Cristina Daniel David Diego Dolores Eduardo Elisa Emilio Enrique Esther Eva Fátima
    Fernando Gabriel Gloria Gonzalo Helena Héctor Ignacio Inés Irene Iván Jaime Javier Joan Jorge José Juan Judith Julia
    Laia Laura Leire Leonor Lorenzo Lucas Luis Manuel Marc Marcos Marina Mario Marta Mateo Miguel Míriam Mónica
    Montserrat Natalia Nerea Nicolás Noelia Olga Óscar Pablo Paloma Patricia Paula Pedro Pilar Rafael Raquel Raúl Rocío
    Rodrigo Rosa Rubén Samuel Sara Sergio Silvia Teresa Valeria Verónica Vicente Víctor Xavier Yolanda Zoe
""".split()  # noqa: SIM905 - a list of names reads as names
_LAST = """
    Aguilar Alonso Álvarez Arias Benítez Blanco Blasco Bravo Caballero Cabrera Calvo Campos Cano Carmona Castillo Castro
    Cortés Crespo Cruz Delgado Díaz Díez Domínguez Durán Esteban Ferrer Flores Fuentes Gallego García Garrido Gil
    Giménez Gómez González Gutiérrez Hernández Herrera Hidalgo Ibáñez Iglesias Jiménez León López Lorenzo Lozano Marín
    Márquez Martínez Medina Méndez Molina Montero Mora Morales Moreno Moya Muñoz Navarro Nieto Núñez Ortega Ortiz Parra
    Pascual Pastor Peña Pérez Prieto Ramírez Ramos Reyes Rivera Rodríguez Rojas Román Romero Rubio Ruiz Sáez Sánchez
    Santana Santiago Santos Sanz Serrano Soler Soto Suárez Torres Vargas Vázquez Vega Velasco Vicente Vidal
""".split()  # noqa: SIM905 - a list of names reads as names
CITIES = (
    "Madrid", "Madrid", "Madrid", "Madrid", "Getafe", "Alcalá de Henares", "Leganés", "Móstoles", "Toledo", "Segovia",
    "Barcelona", "Barcelona", "Valencia", "Sevilla", "Zaragoza", "Bilbao", "Málaga", "Salamanca",
)  # fmt: skip
TAGS = ("newsletter", "vip", "lamps", "outdoor", "architect", "wholesale", "returns", "black-friday", "showroom")
_MAIL = ("correo.example", "buzon.example", "mensajes.example")
_CONSENTS = (
    ("opted_in", "form", "Web form, double opt-in"),
    ("opted_in", "in_person", "Signed card in the shop"),
    ("opted_in", "phone", "Call, noted by the agent"),
)


def customer(dice: Random) -> dict[str, Any]:
    """Return what somebody types in about a new customer."""
    name = _name(dice)
    while name in ALONE:
        name = _name(dice)
    values: dict[str, Any] = {
        "name": name,
        "phone_e164": f"+346{dice.randrange(10_000_000, 99_999_999)}",
        "email": email_of(name, dice) if dice.random() < 0.6 else None,
        "birthday": birthday(dice) if dice.random() < 0.25 else None,
        "city": dice.choice(CITIES),
        "language": dice.choices(("es", "ca", "en", "pt"), (80, 8, 9, 3))[0],
        "tags": sorted(set(dice.choices(TAGS, k=dice.choice((0, 0, 1, 1, 2, 3))))),
        "lifecycle": dice.choices(("lead", "customer", "inactive"), (40, 52, 8))[0],
        "custom": {"loyalty_points": dice.randrange(10, 900)} if dice.random() < 0.3 else {},
    }
    if dice.random() < 0.7:
        marketing, source, evidence = dice.choice(_CONSENTS)
        values["consent"] = {"marketing": marketing, "source": source, "evidence": evidence}
    return values


def email_of(name: str, dice: Random) -> str:
    """Return an address for somebody."""
    first, last, *_ = folded(name).split()
    return f"{first}.{last}{dice.randrange(10, 99)}@{dice.choice(_MAIL)}"


def birthday(dice: Random) -> str:
    """Return a birthday."""
    day = f"{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
    return f"--{day}" if dice.random() < 0.3 else f"{dice.randrange(1948, 2006)}-{day}"


def _name(dice: Random) -> str:
    name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
    return f"{name} {dice.choice(_LAST)}" if dice.random() < 0.55 else name
