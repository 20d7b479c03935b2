/** Starts the inbox. */
import { mount } from "svelte";
import { whenSignedOut } from "./api/http";
import App from "./App.svelte";
import "./app.css";
import { desk } from "./store/desk.svelte";
import { prefs } from "./store/prefs.svelte";

prefs.restore();
whenSignedOut(() => {
  const back = encodeURIComponent(location.pathname + location.search);
  location.assign(`/inbox/sign-in?next=${back}`);
});

const target = document.getElementById("app");
if (!target) throw new Error("The page has no #app to fill.");
mount(App, { target });
void desk.start();
