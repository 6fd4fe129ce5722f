"""Calls version 5 of the published WorkOS client as told on standard input, and writes what came of each call."""

from __future__ import annotations

import json
import sys

from workos import WorkOSClient  # type: ignore[attr-defined,unused-ignore]


def main() -> None:
    """Call, and tell."""
    told = json.load(sys.stdin)
    client = WorkOSClient(api_key=told["key"], client_id="client_tests", base_url=told["url"])
    results = []
    for module, method, arguments in told["calls"]:
        try:
            result = getattr(getattr(client, module), method)(**arguments)
            results.append({"result": result.model_dump() if hasattr(result, "model_dump") else result})
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            results.append({"error": {"name": type(error).__name__, "text": str(error)}})
    sys.stdout.write(json.dumps(results, default=str))


if __name__ == "__main__":
    main()
