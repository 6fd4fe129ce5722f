// What a host does: say where the API is and how to get a token. The first part of the path chooses the state.
const viewer = document.querySelector("audit-log-viewer");
const mode = location.pathname.slice(1);
viewer.api = mode && `/${mode}`;
viewer.getToken = async () => "development";
const theme = new URLSearchParams(location.search).get("theme");
if (theme) {
  viewer.theme = theme;
  document.documentElement.style.colorScheme = theme;
}
const lang = new URLSearchParams(location.search).get("lang");
if (lang) viewer.locale = lang;
const dir = new URLSearchParams(location.search).get("dir");
if (dir) document.documentElement.dir = dir;
document.addEventListener("securitypolicyviolation", (event) => console.error("policy:", event.violatedDirective, event.blockedURI, event.sample));
