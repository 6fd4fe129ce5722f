"""What a value must not say as a whole: functions in the database that the functions of all tables share.

The names of secrets are the catalog's, so that the database and Python agree on what is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from whodid.capture.triggers.forms import DIGEST, HEAD
from whodid.catalog.classes import SECRET_NAMES

__all__ = ["SHARED", "shared"]

SHARED = ("whodid_veiled(jsonb)", "whodid_secret_name(text)", "whodid_long(text)")
"""The functions, in the order in which they can be dropped."""

_FIXED = "SET search_path = pg_catalog, pg_temp AS $whodid$"

_LONG = """\
CREATE OR REPLACE FUNCTION <schema>.whodid_long(value text) RETURNS json LANGUAGE plpgsql IMMUTABLE
<fixed>
BEGIN
  RETURN json_build_object('$', 'long', 'length', octet_length(value), 'head', left(value, <head>),
    'sha256', encode(sha256(convert_to(value, 'UTF8')), 'hex'));
END $whodid$;"""

_SECRET_NAME = r"""
CREATE OR REPLACE FUNCTION <schema>.whodid_secret_name(name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
<fixed>
DECLARE
  words text := regexp_replace(name, '([a-z0-9])([A-Z])', '\1_\2', 'g');
BEGIN
  words := lower(regexp_replace(words, '([A-Z])([A-Z][a-z])', '\1_\2', 'g'));
  words := regexp_replace(words, '([^0-9])([0-9])', '\1_\2', 'g');
  words := regexp_replace(words, '([0-9])([^0-9])', '\1_\2', 'g');
  words := btrim(regexp_replace(words, '[][\s_!-/:-@\\^`{-~]+', '_', 'g'), '_');
  IF words ~ '^(<harmless>)$' THEN RETURN false; END IF;
  IF words ~ '^(<names>)$' THEN RETURN true; END IF;
  IF words ~ '_(<about>)$' THEN RETURN false; END IF;
  RETURN words ~ '(^|_)(<words>)(_|$)' OR words ~ '(<ends>)(_|$)' OR words ~ '(^|_)(<pairs>)(_|$)';
END $whodid$;""".lstrip()

_VEILED = """\
CREATE OR REPLACE FUNCTION <schema>.whodid_veiled(value jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
<fixed>
BEGIN
  IF jsonb_typeof(value) = 'object' THEN
    RETURN (SELECT coalesce(jsonb_object_agg(key, CASE
      WHEN member <> 'null' AND <schema>.whodid_secret_name(key) THEN to_jsonb('<digest>' || encode(sha256(convert_to(
        current_setting('whodid.salt') || member::text, 'UTF8')), 'hex'))
      ELSE <schema>.whodid_veiled(member) END), '{}') FROM jsonb_each(value) AS each(key, member));
  ELSIF jsonb_typeof(value) = 'array' THEN
    RETURN (SELECT coalesce(jsonb_agg(<schema>.whodid_veiled(item) ORDER BY place), '[]')
      FROM jsonb_array_elements(value) WITH ORDINALITY AS each(item, place));
  END IF;
  RETURN value;
END $whodid$;"""


def shared(schema: str) -> Iterator[str]:
    """Yield the statements that make the functions.

    Args:
        schema: Where, quoted.
    """
    filled = {kind: "|".join(sorted(words)) for kind, words in SECRET_NAMES.items()}
    filled |= {"fixed": _FIXED, "digest": DIGEST, "head": str(HEAD), "schema": schema}
    for template in (_LONG, _SECRET_NAME, _VEILED):
        made = template
        for name, text in filled.items():
            made = made.replace(f"<{name}>", text)
        yield made
    for name in SHARED:
        yield f"REVOKE ALL ON FUNCTION {schema}.{name} FROM PUBLIC;"
