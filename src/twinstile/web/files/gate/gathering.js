// @ts-check
/** The party that is scanned now, if one is, and what of it is shown: the rules are in `party.js`. */
import * as front from "./front.js";
import { newId } from "./link.js";
import * as party from "./party.js";
import { play } from "./tones.js";
import * as view from "./view.js";

/** No key of a document begins so. */
const MARK = "#";

/** What a member goes by on the disk: no number, and the same each time the document is scanned. @param {string} id of the party @param {string} key */
async function mark(id, key) {
  if (key.startsWith(MARK)) return key;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${id} ${key}`));
  return MARK + btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/**
 * A party as it may be loaded again: what rules read of its members, and no document, name or pass.
 * Who is in no fact yet is scanned again.
 * @param {party.Party} whole @returns {Promise<party.Party>}
 */
async function nameless(whole) {
  const nobody = { ...front.NOBODY, recorded: true };
  const members = whole.members.filter((one) => one.recorded).map(async (one) => {
    const { state, evidence, marks, decision, party, passage, check } = one;
    const last = { ...one.last, pass: undefined };
    return { ...nobody, state, evidence, marks, decision, party, passage, check, last, key: await mark(whole.id, one.key) };
  });
  return { ...whole, members: await Promise.all(members) };
}

export class Gathering {
  /** @param {(party: party.Party | null) => Promise<void>} keep on the disk when this returns */
  constructor(keep) {
    this.keep = keep;
    /** @type {party.Party | null} */
    this.party = null;
    /** All that is on its way to the disk. @type {Promise<void>} */
    this.settled = Promise.resolve();
  }

  /** A new party, or the end of this one. */
  turn() {
    this.party = this.party ? null : party.begun(newId());
    this.#save();
  }

  /** What is not kept is in memory all the same. */
  #save() {
    const { party } = this;
    this.settled = this.settled.then(async () => this.keep(party && (await nameless(party)))).catch(() => {});
  }

  /** Somebody is scanned who may have been met before the page was loaded again. @param {string} key */
  async met(key) {
    const id = this.party?.id;
    const before = id && (await mark(id, key));
    if (!this.party || this.party.id !== id) return;
    const members = this.party.members.map((one) => (one.key === before ? { ...one, key } : one));
    this.party = { ...this.party, members };
  }

  /** The person in the party, if one is scanned. @param {front.Person} person @param {string} day */
  entered(person, day) {
    return this.party ? party.joined(this.party, person, day) : person;
  }

  /** Somebody of the party who is scanned once more, with what was brought now; else the person. @param {front.Person} person @param {string} key */
  again(person, key) {
    const known = this.party && party.member(this.party, key);
    return known && !person.document ? front.bring(known, person.brought) : person;
  }

  /** What a decision about somebody takes of the others. @param {front.Person} person @param {import("./decide.js").Policy} policy @param {party.Moment} moment @returns {front.Beside} */
  beside(person, policy, moment) {
    return { company: party.company(this.party, person, policy, moment), declared: party.declared(this.party, person) };
  }

  /** What the service made of somebody's check. @param {string} key @param {string} verdict @param {string} state */
  answered(key, verdict, state) {
    const known = this.party && party.member(this.party, key);
    if (!this.party || !known || known.open) return;
    this.party = party.noted(this.party, { ...known, decision: known.decision && { ...known.decision, verdict }, state });
  }

  /**
   * Show the party with this person in it: children who waited for the guardian go on, and who has
   * gone on and is to come back is called.
   * @param {front.Person} person in front @param {import("./decide.js").Policy} policy @param {party.Moment} moment
   */
  show(person, policy, moment) {
    if (!this.party) return view.showParty(null, person, []);
    this.party = party.noted(this.party, person);
    for (const child of this.party.members.filter(party.waits)) {
      const { person: now } = front.settle(child, policy, moment, this.beside(child, policy, moment));
      if (now.decision) this.party = party.noted(this.party, { ...now, state: now.decision.state });
    }
    this.#save();
    if (view.showParty(this.party, person, party.recalled(this.party, policy, moment))) play("CHECK");
  }
}
