// The third file, fetched once the list stands: what nobody needs before. Its parts share nothing with those of the
// first file but what their constructors say.

import type { Host } from "../lib/host.js";
import type { Dialog } from "../lib/url.js";
import { Badge } from "./badge.js";
import type { Bar } from "./bar.js";
import type { Export } from "./export.js";
import type { Feed } from "./feed.js";
import { Help } from "./help.js";
import type { Activity } from "./histogram.js";
import type { Fetch } from "./later.js";
import type { List } from "./list.js";
import { Live } from "./live.js";
import { Menus } from "./menus.js";
import { Overdue } from "./overdue.js";
import { Print } from "./print.js";
import { Questions } from "./questions.js";
import { Standing } from "./standing.js";
import { Suggest } from "./suggest.js";
import { Views } from "./views.js";
import { Welcome } from "./welcome.js";

/** The parts of the first file that those of the third work with. */
export interface Shared {
  feed: Feed;
  bar: Bar;
  activity: Activity;
  fetch: Fetch;
}

export class More {
  readonly badge: Badge;
  exporter: Export | null = null;
  readonly help: Help;
  readonly live: Live;
  readonly menus: Menus;
  readonly overdue: Overdue;
  readonly print: Print;
  readonly questions: Questions;
  readonly #standing: Standing;
  readonly #views: Views;
  readonly #welcome: Welcome;
  readonly #fetchExporter: () => Promise<void>;
  #fetching = false;

  constructor(host: Host, list: List, { feed, bar, activity, fetch }: Shared) {
    this.questions = new Questions(host);
    this.badge = new Badge(host, feed);
    this.overdue = new Overdue(host, feed);
    this.print = new Print(host, feed, bar);
    // In a file of its own.
    this.#fetchExporter = async () => {
      this.#fetching = true;
      await fetch<typeof import("../export.js")>("export.js", ({ Export: Made }) => (this.exporter = new Made(host, feed, bar, () => void this.print.report())));
      this.#fetching = false;
      if (this.exporter) return;
      host.go({ dialog: null }, "replace");
      host.say(host.words.t("menu.failed"));
    };
    this.#welcome = new Welcome(host, fetch);
    this.help = new Help(host, this.#welcome.start);
    this.live = new Live(host, feed, list, activity);
    this.#standing = new Standing(host, feed, activity);
    this.#views = new Views(host, bar);
    bar.menus = this.menus = new Menus(host, feed);
    bar.helper = new Suggest(host, bar);
  }

  /** Have the dialog of the state stand, and no other. */
  stand(dialog: Dialog | null): void {
    if (dialog === "exports" && !this.exporter && !this.#fetching) void this.#fetchExporter();
    for (const [name, part] of [["exports", this.exporter], ["questions", this.questions]] as const) {
      if (!part) continue;
      if (name !== dialog) part.dialog?.close();
      else if (!part.shown) part.open();
      else if (!part.dialog?.open) part.dialog?.showModal();
    }
  }

  /** The list was asked for anew and is here. */
  loaded(): void {
    this.live.restart();
  }

  /** Another log, another language or other rights. */
  forget(): void {
    this.badge.forget();
    this.exporter?.stop();
    this.overdue.forget();
    this.questions.stop();
    this.#standing.forget();
  }

  /** The element left the page. */
  stop(): void {
    this.menus.close();
    this.live.stop();
    this.badge.stop();
    this.exporter?.stop();
    this.questions.stop();
    this.#standing.stop();
  }

  render(): unknown {
    return [this.menus.render(), this.badge.card(), this.#views.card(), this.exporter?.render(), this.questions.render(), this.help.render(), this.#welcome.render()];
  }
}
