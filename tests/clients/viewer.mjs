// The page of an application that shows the published Retraced viewer; its address says whom to ask.
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import RetracedEventsBrowser from "@retracedhq/logs-viewer";

const asked = new URLSearchParams(location.search);
const root = createRoot(document.getElementById("app"));
const show = (auditLogToken) =>
  root.render(
    createElement(RetracedEventsBrowser, {
      host: asked.get("host"),
      auditLogToken,
      header: "Events",
      fields: [
        { label: "Description", type: "markdown", field: "display.markdown" },
        { label: "Actor", field: "actor.name" },
      ],
    }),
  );
show(asked.get("token"));
