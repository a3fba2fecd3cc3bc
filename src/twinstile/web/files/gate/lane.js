// @ts-check
/**
 * The lane at work: takes what was read, shows the verdict, then records it. The verdict waits for
 * neither disk nor line; what was read is taken in its order, one after the other.
 */
import * as clock from "./clock.js";
import * as front from "./front.js";
import { Gathering } from "./gathering.js";
import { newId } from "./link.js";
import * as measure from "./measure.js";
import { Records } from "./records.js";
import { read, tenths } from "./scan.js";
import { born } from "./party.js";
import { play } from "./tones.js";
import * as view from "./view.js";
import { say } from "./words.js";

/**
 * @typedef {{policy: import("./decide.js").Policy, direction: string, days: Intl.DateTimeFormat, clock: Intl.DateTimeFormat, lane_id: string,
 *   suspect: (document: import("./scan.js").Document) => Promise<boolean>,
 *   expect: (document: import("./scan.js").Document) => Promise<import("./runs.js").Seen | null>}} Knowledge
 * @typedef {{order: "id-first" | "temp-first", first: string, second: string}} Settings
 */
export class Lane {
  /**
   * `up`: whether there is a line; `working`: whether somebody is signed in; `lacks`: why there are no rules
   * @param {{add: (kind: string, id: string, body: any) => Promise<void>,
   *   look: (text: string, document: import("./scan.js").Document | null) => Promise<{status: string, kind: string}>,
   *   settings: () => Settings, up: () => boolean, working: () => boolean, lacks: () => string,
   *   keepParty: (party: import("./party.js").Party | null) => Promise<void>,
   *   release: (screeningId: string, step: string, reason: string) => Promise<string | null>}} needs
   */
  constructor(needs) {
    this.needs = needs;
    /** @type {Knowledge | null} */ this.knowledge = null;
    this.person = front.NOBODY;
    this.gathering = new Gathering(needs.keepParty);
    this.again = false;
    /** A stop nobody has acknowledged keeps the lane. */ this.stopped = false;
    /** @type {string[]} */ this.held = [];
    this.records = new Records(needs.add, (full) => this.#unkept(full));
    this.turn = Promise.resolve();
    /** Whom the officer lets through on a surge order, once the service has their passage. @type {{key: string, step: string, reason: string} | null} */ this.releasing = null;
    /** The last code that was asked about: what is heard of another is of no use. @type {object | null} */ this.asked = null;
  }

  /** Whether nobody is in the middle of being checked. */
  get idle() {
    return !this.person.open && !this.stopped;
  }

  /** Take what a reader typed. @param {string} line @param {number} at performance.now of its end */
  typed(line, at = performance.now()) {
    const scanned = read(line, this.held);
    this.held = scanned.what === "more" ? scanned.lines : [];
    if (scanned.what === "more") return view.notice(say("more-lines"));
    if (scanned.what === "unreadable") return view.notice(say(scanned.why), true);
    return this.#work(() => this.#take(scanned, at));
  }

  /** A document an officer typed from the paper. @param {import("./scan.js").Document} document */
  keyed(document) {
    return this.#work(() => this.#take({ what: "document", document, method: "MANUAL" }, performance.now()));
  }

  /** Something an officer says of the person in front. @param {import("./front.js").Brought} brought @param {boolean} anew of somebody else if the one in front is done */
  say(brought, anew = false) {
    return this.#work(async () => {
      if (anew && this.idle && this.person.decision?.verdict === "PASS") await this.#leave();
      view.settled(say("undone"));
      this.person = front.bring(this.person, brought);
      this.#settle(performance.now());
    });
  }

  /** The next reading belongs to the person in front. */
  arm() {
    this.again = front.present(this.person) && !this.again;
    view.at("again").setAttribute("aria-pressed", String(this.again));
    view.notice(this.again ? say("again-armed") : front.present(this.person) ? "" : say("nobody"));
  }

  /** Those who are scanned from now on travel together, with whom stands here unfinished; or they are all here. */
  together() {
    return this.#work(() => {
      if (!this.knowledge) return view.notice(say(this.needs.lacks()), true);
      this.gathering.turn();
      if (this.person.open && this.person.document && this.gathering.party) {
        this.person = this.gathering.entered(this.person, this.#moment().day);
        this.#settle(performance.now());
      }
      this.#gather();
    });
  }

  /** The person in front is a child under 14, says the officer where no document does. */
  minor() {
    return this.#work(() => {
      const { document, party: mine, recorded } = this.person;
      if (!this.knowledge || !mine || recorded || !document || born(document, this.#moment().day)) return;
      this.person = front.bring({ ...this.person, party: { ...mine, role: "MINOR" } }, {});
      this.#settle(performance.now());
    });
  }

  /** Let the person in front through unscreened, to be settled by data, as a surge order allows. The service says whom: it alone knows every reading and suspicion. @param {string} reason */
  release(reason) {
    return this.#work(() => {
      const { document, decision, key, passage, open } = this.person;
      if (!document || !decision) return view.notice(say("nobody"));
      this.releasing = { key, step: newId(), reason };
      if (open) this.#record();
      else if (passage) return this.#release(passage);
      view.notice(say("asking"));
    });
  }

  /** @param {string} passage */
  async #release(passage) {
    const wanted = this.releasing;
    this.releasing = null;
    const refused = wanted && (await this.needs.release(passage, wanted.step, wanted.reason));
    if (refused) return view.notice(say(refused), true);
    this.person = { ...this.person, state: "DEFERRED" };
    this.stopped = false;
    view.showVerdict("PASS", [say("released")], false);
    play("PASS");
    view.notice("");
  }

  acknowledge() {
    this.stopped = false;
    view.settled(say("acknowledge-first"));
    this.#paint();
  }

  /** A reading of nobody: it is in no fact, and ends here. */
  discard() {
    if (front.unpaired(this.person)) this.#reset();
  }

  /** The shift is over: what was begun is a fact of it, on the disk when this returns, and nobody stands here. */
  async leave() {
    await this.#queue(() => this.#leave());
    this.held = [];
    if (this.gathering.party) this.gathering.turn();
    this.#gather();
    await Promise.all([this.records.settled, this.gathering.settled]);
  }

  /** Go on with those who were scanned together before the page was loaded again. @param {import("./party.js").Party} party */
  resume(party) {
    this.gathering.party = party;
  }

  /** Nobody of the shift is remembered: all of it is in the service's hands. */
  forget() {
    this.records.forget();
    view.notice("");
  }

  /** Take back what was said of this person: a fact says so, and the next one what is right. */
  undo() {
    return this.#work(async () => {
      const { person } = this;
      if (!person.recorded || !front.known(person)) return view.notice(say("nobody"));
      this.person = front.bring({ ...person, last: {} }, { identity: "NOT_CHECKED" });
      this.stopped = false;
      this.#settle(performance.now(), true);
      this.person = { ...this.person, brought: person.last, last: {}, open: true };
      this.arm();
      view.notice(say("undone"));
      view.showPerson(this.person);
    });
  }

  /** What the service made of a fact; shown if it is more cautious. @param {any} item */
  answered(item) {
    if (item.status === "quarantined") {
      const why = item.problem?.errors?.map((/** @type {any} */ one) => one.code).join(", ") || item.problem?.type;
      return view.notice(say("refused", { why }), true);
    }
    const known = this.records.answered(item.id);
    if (!known || !item.check) return;
    const here = known.key === this.person.key && known.key !== "";
    if (here && !this.person.open) this.person = { ...this.person, state: item.check.state, passage: item.check.screening_id };
    if (here && this.releasing?.key === known.key) this.#queue(() => this.#release(item.check.screening_id));
    const standing = item.check.declaration ? this.#declared(item.check.declaration, known, here) : "";
    const texts = view.reasons(item.check, this.knowledge?.policy);
    if (here) this.person = front.answered(this.person, item.id, { verdict: item.check.verdict, texts }, item.check.stands);
    const shown = here && front.isLast(this.person, item.id) ? front.displayed(this.person) : null;
    const verdict = shown ?? front.worse(known.verdict, item.check.verdict);
    this.gathering.answered(known.key, verdict, item.check.state);
    this.#gather();
    if (here && verdict !== known.verdict) this.stopped = front.displayed(this.person) === "STOP";
    if (here) this.#paint();
    if (verdict === known.verdict) return standing && view.notice(standing, true);
    play(verdict);
    const says = say("server-says", { person: known.label, verdict: say(verdict) });
    const why = here ? [] : [...view.stood(item.check.stands, this.knowledge?.clock), ...texts]; // else the panel says it
    view.notice([says, ...why, standing].filter(Boolean).join(" · "), true);
  }

  /** What became of a pass: the words for it, if an officer has to know. @param {{standing: string, help: boolean}} told @param {{label: string}} known @param {boolean} here */
  #declared({ standing, help }, { label }, here) {
    if (here) {
      this.person = { ...this.person, standing };
      if (standing === "COUNTED") this.#counts(this.person.key);
      view.showPerson(this.person);
    }
    if (standing !== "COUNTED") return say("pass-says", { person: label, standing: say(view.STANDINGS[standing]) });
    return help ? say("wants-help", { person: label }) : "";
  }

  /** A declaration was made, if nothing else is known of it. @param {string} key of whom */
  #counts(key) {
    return this.#queue(() => {
      if (this.person.key !== key || !this.person.open) return;
      this.person = front.bring(this.person, { declared: true });
      this.#settle(performance.now(), false, true);
    });
  }

  /** Draw everything again, in the language chosen now. */
  redraw() {
    this.#paint();
    view.showPerson(this.person);
    this.#gather();
  }

  /** What an officer does: somebody signed in, on a tablet that keeps it. @param {() => Promise<void> | void} task */
  #work(task) {
    return this.#queue(() => {
      if (!this.needs.working()) return view.notice(say("nobody-works"), true);
      return this.records.full ? this.#unkept(true) : task();
    });
  }

  /** No verdict stands while its record could be lost. @param {boolean} full */
  #unkept(full) {
    if (full) play("UNKNOWN");
    view.notice(full ? say("unkept") : "", full);
    this.#paint();
  }

  /** @param {() => Promise<void> | void} task */
  #queue(task) {
    this.turn = this.turn.then(task).catch((error) => view.notice(say("problem", { why: error.name }), true));
    return this.turn;
  }

  /** @param {import("./scan.js").Scanned} scanned @param {number} at */
  async #take(scanned, at) {
    if (!this.knowledge) return view.notice(say(this.needs.lacks()), true);
    const owner = front.belongs(this.person, scanned, this.needs.settings().order, this.again);
    if (owner !== "same" && this.stopped) {
      play("STOP");
      return view.notice(say("acknowledge-first"), true);
    }
    if (owner !== "same" && front.unpaired(this.person)) return this.#unpaired();
    if (owner === "nobody") return scanned.what === "temperature" ? this.#loose(scanned, at) : view.notice(say("pass-second"), true);
    if (owner === "new") await this.#leave();
    this.again = false;
    view.at("again").setAttribute("aria-pressed", "false");
    view.notice("");
    await this.#add(scanned);
    this.#settle(at);
    if (scanned.what === "pass" || scanned.what === "document") this.#ask();
  }

  /** Have the pass looked at while the rest is read, if somebody is here whom it may count for. */
  #ask() {
    const { person } = this;
    const { open, document, brought, standing } = person;
    if (!open || !document || !brought.pass || standing !== null || !this.needs.up()) return;
    this.person = { ...person, standing: "ASKED" };
    this.records.keep(person, front.asking(person, this.#where()), "UNKNOWN");
  }

  /** @param {import("./scan.js").Scanned} scanned */
  async #add(scanned) {
    if (scanned.what === "document") {
      const { document, method } = scanned;
      const { suspect, expect } = /** @type {Knowledge} */ (this.knowledge);
      const [suspected, run] = await Promise.all([suspect(document), expect(document)]);
      await this.gathering.met(front.keyOf(document));
      const person = this.gathering.again(this.person, front.keyOf(document));
      const named = front.named(person, document, method, suspected ? ["ALERT_CHECK"] : [], run);
      this.person = this.gathering.entered(named, this.#moment().day);
    } else if (scanned.what === "temperature") {
      this.person = front.bring(this.person, { temperature: front.measured(this.person, scanned, this.needs.settings()) });
    } else if (scanned.what === "pass") {
      const person = front.bring(this.person, { pass: scanned.code, declared: false });
      this.person = { ...person, key: person.key || scanned.code, standing: null };
    } else if (scanned.what === "credential") {
      this.person = front.bring(this.person, { credential: "PENDING", credentialKind: "HEALTH_CODE" });
      this.#look(scanned.text);
    }
  }

  /** Find out what a code says, while the lane shows that it is being asked. @param {string} text */
  async #look(text) {
    const asked = (this.asked = {});
    const found = await this.needs.look(text, this.person.document);
    await this.#queue(() => {
      if (this.asked !== asked || this.person.brought.credential !== "PENDING") return;
      this.person = front.bring(this.person, { credential: found.status, credentialKind: found.kind });
      this.#settle(performance.now());
    });
  }

  /** A temperature where a document has to come first. @param {{value: number, unit: "C" | "F"}} scanned @param {number} at */
  #loose(scanned, at) {
    const { policy } = /** @type {Knowledge} */ (this.knowledge);
    const temperature = front.measured(this.person, scanned, this.needs.settings());
    const error = policy.parameters.error_tenths[temperature.method] ?? 0;
    if (tenths(scanned.value, scanned.unit) + error < policy.parameters.threshold_tenths) {
      return view.notice(say("loose", { celsius: scanned.value }), true);
    }
    return this.#leave().then(() => {
      this.person = front.bring(front.NOBODY, { temperature });
      this.#settle(at);
    });
  }

  #unpaired() {
    play("CHECK");
    const celsius = this.person.brought.temperature?.value;
    view.notice(celsius === undefined ? say("code-loose") : say("fever-loose", { celsius }), true);
  }

  /** Let go of the person in front: a check half done is a fact as well, if it is somebody's. */
  async #leave() {
    if (this.person.open && front.known(this.person) && this.person.decision) this.#record();
    this.#reset();
  }

  #reset() {
    this.person = front.NOBODY;
    this.releasing = null;
    this.asked = null;
    this.stopped = false;
    this.#paint();
    view.showPerson(this.person);
    view.notice("");
  }

  /** Decide, show, then record if that is all there will be. @param {number} at @param {boolean} force @param {boolean} quiet */
  #settle(at, force = false, quiet = false) {
    if (!this.knowledge) return;
    const { policy } = this.knowledge;
    const moment = this.#moment();
    const { person, record } = front.settle(this.person, policy, moment, this.gathering.beside(this.person, policy, moment));
    this.person = person;
    const verdict = front.displayed(person);
    this.stopped = verdict === "STOP";
    this.#paint();
    view.showPerson(person);
    if (front.unpaired(person)) this.#unpaired();
    else if (verdict && !quiet) play(this.records.full ? "UNKNOWN" : verdict);
    measure.painted(at);
    if (record || force) this.#record();
    else this.#gather();
  }

  /** @returns {import("./party.js").Moment} */
  #moment() {
    const { days, direction } = /** @type {Knowledge} */ (this.knowledge);
    const now = clock.now();
    return { at: now, day: days.format(now), direction };
  }

  #gather() {
    if (this.knowledge) this.gathering.show(this.person, this.knowledge.policy, this.#moment());
  }

  #paint() {
    if (this.records.full) return view.showVerdict("UNKNOWN", [say("unkept")], false);
    const { decision } = this.person;
    const texts = this.knowledge ? view.reasons(decision, this.knowledge.policy) : [];
    const told = front.more(this.person)?.texts ?? [];
    const stood = view.stood(front.suspected(this.person), this.knowledge?.clock);
    view.showVerdict(front.displayed(this.person), [...new Set([...stood, ...told, ...texts])], this.stopped);
    view.at("discard").hidden = !front.unpaired(this.person);
  }

  #where() {
    return { lane_id: this.knowledge?.lane_id ?? "", observed_at: new Date().toISOString() };
  }

  #record() {
    const { person } = this;
    this.person = front.recorded(person);
    this.#gather();
    const check = this.records.keep(person, front.check(person, this.#where()), front.displayed(person) ?? "UNKNOWN");
    this.person = { ...this.person, check };
  }
}
