"""Compile the part of the OCSF schema that whodid writes, for the tests that check what it writes.

    python scripts/ocsf.py CHECKOUT > tests/ocsf/schema-1.8.0.json

CHECKOUT is the root of ocsf/ocsf-schema at the tag v1.8.0, or of a later one: what only that has (the objects of
`record_integrity`) is compiled where it is there. Inheritance, included profiles and the dictionary are
resolved. An attribute that a profile brings carries its name, unless the class makes it its own (`"profile": null`),
and constraints are those of the nearest ancestor that has some. Descriptions are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CLASSES = (
    "base_event", "system/event_log_activity", "findings/detection_finding", "iam/account_change", "iam/authentication",
    "iam/entity_management", "iam/user_access", "iam/group_management", "application/web_resources_activity",
    "application/api_activity",
)  # fmt: skip
OBJECTS = (
    "actor", "api", "device", "finding_info", "group", "http_request", "location", "managed_entity", "metadata",
    "network_endpoint", "policy", "product", "resource_details", "service", "user", "web_resource", "object",
)  # fmt: skip

LATER = ("attestation", "fingerprint", "prev_event")
"""Objects that are written only in the format of 1.9."""

NUMBERS = ("category_uid", "class_uid", "type_uid")
"""Follow from the class; the schema lists their values nowhere."""


class Schema:
    """A checkout of the schema."""

    def __init__(self, root: Path) -> None:
        self.root = root
        dictionary = self.read("dictionary.json")
        self.attributes: dict[str, Any] = dictionary["attributes"]
        self.types: dict[str, Any] = dictionary["types"]["attributes"]
        self.categories: dict[str, Any] = self.read("categories.json")["attributes"]
        self.names = {
            (folder, json.loads(path.read_bytes())["name"]): path.relative_to(root).as_posix()
            for folder in ("events", "objects")
            for path in sorted((root / folder).rglob("*.json"))
        }

    def read(self, path: str) -> dict[str, Any]:
        """Read a file."""
        found: dict[str, Any] = json.loads((self.root / path).read_bytes())
        return found

    def resolved(self, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the attributes of a class or an object, its own and inherited, and its constraints."""
        own = self.read(path)
        attributes: dict[str, Any] = {}
        constraints: dict[str, Any] = {}
        if "extends" in own:
            attributes, constraints = self.resolved(self.parent(path))
        for name, attribute in self.included(own):
            attributes[name] = attributes.get(name, {}) | attribute
        return attributes, own.get("constraints", constraints)

    def parent(self, path: str) -> str:
        """Return the path of what a class or an object extends."""
        return self.names[path.partition("/")[0], self.read(path)["extends"]]

    def category(self, path: str) -> int:
        """Return the number of the category of a class, its own or inherited."""
        name = self.read(path).get("category")
        if name is None:
            return self.category(self.parent(path))
        number: int = self.categories.get(name, {"uid": 0})["uid"]
        return number

    def included(self, own: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return the attributes that a file names, those of the profiles it includes first."""
        found: list[tuple[str, dict[str, Any]]] = []
        for name, attribute in own["attributes"].items():
            if name == "$include":
                for path in attribute:
                    profile = self.read(path)
                    found += [
                        (one, {"profile": profile["name"]} | about) for one, about in profile["attributes"].items()
                    ]
            else:
                found.append((name, attribute))
        return found

    def compiled(self, path: str) -> dict[str, Any]:
        """Compile a class or an object."""
        attributes, constraints = self.resolved(path)
        found = {name: self.attribute(name, own) for name, own in sorted(attributes.items())}
        return {"attributes": found} | ({"constraints": constraints} if constraints else {})

    def attribute(self, name: str, own: dict[str, Any]) -> dict[str, Any]:
        """Compile an attribute."""
        merged = self.attributes[name] | own
        kind = merged["type"]
        compiled: dict[str, Any] = {
            "type": self.types.get(kind, {}).get("type", kind) if kind in self.types else "object"
        }
        if compiled["type"] == "object":
            compiled["object"] = kind
        for key in ("is_array", "requirement", "profile"):
            if merged.get(key):
                compiled[key] = merged[key]
        listed = self.attributes[name].get("enum", {}) | own.get("enum", {})
        if listed and name not in NUMBERS:
            compiled["enum"] = sorted(listed, key=lambda value: (len(value), value))
        return compiled


def main() -> None:
    """Compile and print."""
    schema = Schema(Path(sys.argv[1]))
    classes: dict[str, Any] = {}
    for path in CLASSES:
        source, number = schema.read(f"events/{path}.json"), schema.category(f"events/{path}.json")
        uid = number * 1000 + source.get("uid", 0)
        classes[str(uid)] = {"name": source["name"], "category_uid": number} | schema.compiled(f"events/{path}.json")
    attested = LATER if ("objects", "attestation") in schema.names else ()
    objects = {name: schema.compiled(schema.names["objects", name]) for name in (*OBJECTS, *attested)}
    json.dump({"version": schema.read("version.json")["version"], "classes": classes, "objects": objects}, sys.stdout)


if __name__ == "__main__":
    main()
