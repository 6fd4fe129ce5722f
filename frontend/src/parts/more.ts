// The third file, fetched once the list stands: what nobody needs before. Its parts share nothing with those of the
// first file but what their constructors say.

import type { Host } from "../lib/host.js";
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
  /** Open the dialog of exports, which is in a file of its own. */
  readonly export: () => void;
  readonly help: Help;
  readonly live: Live;
  readonly menus: Menus;
  readonly print: Print;
  readonly questions: Questions;
  readonly #standing: Standing;
  readonly #views: Views;
  readonly #welcome: Welcome;

  constructor(host: Host, list: List, { feed, bar, activity, fetch }: Shared) {
    this.questions = new Questions(host);
    this.badge = new Badge(host, feed, this.questions);
    this.print = new Print(host, feed, bar);
    this.export = (): void => {
      const made = ({ Export: Dialog }: typeof import("../export.js")): void => void (this.exporter = new Dialog(host, feed, bar, () => void this.print.report()));
      void fetch<typeof import("../export.js")>("export.js", made).then(() => (this.exporter ? this.exporter.open() : host.say(host.words.t("menu.failed"))));
    };
    this.#welcome = new Welcome(host, fetch);
    this.help = new Help(host, this.#welcome.start);
    this.live = new Live(host, feed, list, activity);
    this.#standing = new Standing(host, feed, activity);
    this.#views = new Views(host, bar);
    bar.menus = this.menus = new Menus(host, feed);
    bar.helper = new Suggest(host, bar);
  }

  /** The list was asked for anew and is here. */
  loaded(): void {
    this.live.restart();
  }

  /** Another log, another language or other rights. */
  forget(): void {
    this.badge.forget();
    this.exporter?.stop();
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
