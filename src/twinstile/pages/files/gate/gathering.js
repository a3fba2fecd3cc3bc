// @ts-check
/** The party that is scanned now, if one is, and what of it is shown: the rules are in `party.js`. */
import * as front from "./front.js";
import { newId } from "./link.js";
import * as party from "./party.js";
import { play } from "./tones.js";
import * as view from "./view.js";

export class Gathering {
  constructor() {
    /** @type {party.Party | null} */
    this.party = null;
  }

  /** A new party, or the end of this one. */
  turn() {
    this.party = this.party ? null : party.begun(newId());
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
    if (view.showParty(this.party, person, party.recalled(this.party, policy, moment))) play("CHECK");
  }
}
