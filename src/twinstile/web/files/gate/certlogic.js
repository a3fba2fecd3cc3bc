// @ts-check
/**
 * CertLogic as `policy/certlogic.py` compiles it: the same choices, bounds and messages, so that a
 * tablet and the service agree; both are run on the suites of the specification, 1.3.2.
 *
 * @typedef {(facts: any) => any} Rule from facts to a value; throws OperandError and nothing else
 * @typedef {{pointer: string, expr: any, message: string}} Issue
 * @typedef {{pointer: string, depth: number, visits: number}} Place
 */
import * as dates from "./dates.js";

const MAX_DEPTH = 32;
const MAX_STEPS = 100_000;
const MAX_ISSUES = 20;
const MAX_REDUCE_ITEMS = 100;

/** An operand had a type or a form that its operation does not take; such a rule never passes. */
export class OperandError extends Error {
  /** @param {string} pointer @param {string} message */
  constructor(pointer, message) {
    super(`${pointer || "/"}: ${message}`);
  }
}

/** The expression is not valid CertLogic; `issues` has at least one entry. */
export class CertLogicError extends Error {
  /** @param {Issue[]} issues */
  constructor(issues) {
    super(`${issues[0].pointer || "/"}: ${issues[0].message}`);
    this.issues = issues;
  }
}

/** Turn an expression into a function; throws CertLogicError. @param {any} expression @returns {Rule} */
export function compileRule(expression) {
  const compiler = new Compiler();
  const rule = compiler.compile(expression, ROOT);
  if (compiler.issues.length) throw new CertLogicError(compiler.issues);
  return rule;
}

/** What is wrong with an expression, in its own order. @param {any} expression */
export function validate(expression) {
  const compiler = new Compiler();
  compiler.compile(expression, ROOT);
  return compiler.issues;
}

/** @type {Place} */
const ROOT = { pointer: "", depth: 1, visits: 1 };
/** @type {Rule} */
const UNBUILT = () => null;

/** @param {Place} place @param {number} index @returns {Place} */
const item = (place, index) => ({
  pointer: `${place.pointer}/${index}`,
  depth: place.depth + 1,
  visits: place.visits,
});

/** @param {Place} place @param {string} name @param {number} index @returns {Place} */
const operand = (place, name, index) => ({
  pointer: `${place.pointer}/${name}/${index}`,
  depth: place.depth + 1,
  visits: place.visits * (name === "reduce" && index === 1 ? MAX_REDUCE_ITEMS : 1),
});

/** @param {any} value */
const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

class Compiler {
  constructor() {
    /** @type {Issue[]} */
    this.issues = [];
    this.steps = 0;
  }

  /** @param {any} expression @param {Place} place @returns {Rule} */
  compile(expression, place) {
    this.steps += place.visits;
    if (place.depth > MAX_DEPTH) {
      return this.refuse(expression, place, "expression is nested too deeply");
    }
    if (this.steps > MAX_STEPS) {
      return this.refuse(expression, place, "expression takes too many steps");
    }
    if (typeof expression === "boolean" || typeof expression === "string") {
      return () => expression;
    }
    if (typeof expression === "number") return this.number(expression, place);
    if (Array.isArray(expression)) {
      const items = expression.map((one, index) => this.compile(one, item(place, index)));
      return (facts) => items.map((rule) => rule(facts));
    }
    if (isObject(expression)) return this.operation(expression, place);
    return this.refuse(expression, place, "invalid CertLogic expression");
  }

  /** @param {any} expr @param {Place} place @param {string} message @returns {Rule} */
  refuse(expr, place, message) {
    if (this.issues.length < MAX_ISSUES) this.issues.push({ pointer: place.pointer, expr, message });
    return UNBUILT;
  }

  /** @param {number} number @param {Place} place @returns {Rule} */
  number(number, place) {
    if (Number.isSafeInteger(number)) return () => number;
    if (!Number.isInteger(number)) {
      return this.refuse(number, place, `${number} is a non-integer number`);
    }
    return this.refuse(number, place, "integer is beyond 2^53 - 1");
  }

  /** @param {Record<string, any>} expression @param {Place} place @returns {Rule} */
  operation(expression, place) {
    const names = Object.keys(expression);
    if (names.length !== 1) {
      const message = "expression object must have exactly one key, but it has";
      return this.refuse(expression, place, `${message} ${names.length}`);
    }
    const [name] = names;
    const operands = expression[name];
    if (name === "var") return this.variable(expression, operands, place);
    if (!Array.isArray(operands)) {
      const message = 'operation not of the form { "<operator>": [ <values...> ] }';
      return this.refuse(expression, place, message);
    }
    if (name === "plusTime") return this.plusTime(expression, operands, place);
    if (name === "extractFromUVCI") return this.extract(expression, operands, place);
    if (!Object.hasOwn(OPERATIONS, name)) {
      return this.refuse(expression, place, `unrecognised operator: "${name}"`);
    }
    const [fewest, most, build] = OPERATIONS[name];
    if (operands.length < fewest || operands.length > most) {
      const message = `wrong number of operands of "${name}": ${operands.length}`;
      return this.refuse(expression, place, message);
    }
    const rules = operands.map((one, index) => this.compile(one, operand(place, name, index)));
    return build(rules, place.pointer);
  }

  /** @param {any} expression @param {any} path @param {Place} place @returns {Rule} */
  variable(expression, path, place) {
    if (typeof path !== "string") {
      return this.refuse(expression, place, 'not of the form { "var": "<path>" }');
    }
    if (path === "") return (facts) => facts;
    const keys = path.split(".");
    if (!keys.every(Boolean)) {
      const message = `data access path doesn't have a valid format: ${path}`;
      return this.refuse(expression, place, message);
    }
    return access(keys);
  }

  /** @param {any} expression @param {any[]} operands @param {Place} place @returns {Rule} */
  plusTime(expression, operands, place) {
    const [, amount, unit] = operands;
    const fits = Number.isInteger(amount) && Math.abs(amount) <= dates.MAX_AMOUNT;
    if (operands.length !== 3 || !dates.UNITS.includes(unit) || !fits) {
      const message = '"plusTime" takes an operand, a literal integer and one of';
      return this.refuse(expression, place, `${message} ${dates.UNITS.join(", ")}`);
    }
    const rule = this.compile(operands[0], operand(place, "plusTime", 0));
    const shifted = dates.shift(unit, amount);
    return dated(rule, (text) => shifted(dates.dateTime(text)), place.pointer);
  }

  /** @param {any} expression @param {any[]} operands @param {Place} place @returns {Rule} */
  extract(expression, operands, place) {
    const [, index] = operands;
    if (operands.length !== 2 || !Number.isSafeInteger(index)) {
      const message = '"extractFromUVCI" takes an operand and a literal integer';
      return this.refuse(expression, place, message);
    }
    const rule = this.compile(operands[0], operand(place, "extractFromUVCI", 0));
    return (facts) => {
      const value = rule(facts);
      if (value === null) return null;
      if (typeof value !== "string") {
        throw new OperandError(place.pointer, "first operand is neither a string nor null");
      }
      const parts = value.replace(/^URN:UVCI:/, "").split(/[/#:]/);
      return parts[index] ?? null;
    };
  }
}

/** @param {string[]} keys @returns {Rule} */
function access(keys) {
  // Nine digits are more than any array here has, and what the service reads.
  const steps = keys.map((key) => ({ key, index: /^[0-9]{1,9}$/.test(key) ? Number(key) : null }));
  return (facts) => {
    let value = facts;
    for (const { key, index } of steps) {
      if (isObject(value)) value = Object.hasOwn(value, key) ? value[key] : null;
      else if (Array.isArray(value) && index !== null) value = value[index] ?? null;
      else return null;
    }
    return value;
  };
}

/** @param {any} value @param {string} pointer */
function truthy(value, pointer) {
  if (value instanceof Date || (typeof value === "number" && !Number.isInteger(value))) {
    throw new OperandError(pointer, "operand is neither truthy nor falsy");
  }
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** @param {any} left @param {any} right @param {string} pointer */
function same(left, right, pointer) {
  if ([left, right].every((one) => typeof one === "object" && one !== null)) {
    throw new OperandError(pointer, "arrays, objects and date-times have no equality");
  }
  return left === right;
}

/** @param {any} value @param {string} pointer */
function integer(value, pointer) {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new OperandError(pointer, "operand is not an integer");
}

/** @param {any} value @param {string} pointer */
function moment(value, pointer) {
  if (value instanceof Date) return value.getTime();
  throw new OperandError(pointer, "operand is not a date-time");
}

/** @param {Rule} rule @param {(text: string) => Date} read @param {string} pointer @returns {Rule} */
function dated(rule, read, pointer) {
  return (facts) => {
    const text = rule(facts);
    if (typeof text !== "string") throw new OperandError(pointer, "operand is not a string");
    try {
      return read(text);
    } catch {
      throw new OperandError(pointer, "operand is not an allowed date-time");
    }
  };
}

/**
 * Compare two values in order, or three for "between"; all operands are evaluated.
 * @param {(value: any, pointer: string) => number} read
 * @param {(low: number, high: number) => boolean} holds
 * @returns {(rules: Rule[], pointer: string) => Rule}
 */
const comparison = (read, holds) => (rules, pointer) => (facts) => {
  const values = rules.map((rule) => rule(facts)).map((value) => read(value, pointer));
  return values.every((value, index) => index === 0 || holds(values[index - 1], value));
};

/** @param {Rule[]} rules @param {string} pointer @returns {Rule} */
function conjunction(rules, pointer) {
  return (facts) => {
    let value = null;
    for (const rule of rules) {
      value = rule(facts);
      if (!truthy(value, pointer)) return value;
    }
    return value;
  };
}

/** `in`: null is an empty array here. @param {Rule[]} rules @param {string} pointer @returns {Rule} */
function membership([member, container], pointer) {
  return (facts) => {
    const [value, items] = [member(facts), container(facts)];
    if (items === null) return false;
    if (!Array.isArray(items)) throw new OperandError(pointer, "second operand is not an array");
    return items.some((one) => same(value, one, pointer));
  };
}

/** @param {Rule[]} rules @param {string} pointer @returns {Rule} */
function addition([left, right], pointer) {
  return (facts) => {
    const total = integer(left(facts), pointer) + integer(right(facts), pointer);
    if (!Number.isSafeInteger(total)) throw new OperandError(pointer, "sum is beyond 2^53 - 1");
    return total;
  };
}

/** @param {Rule[]} rules @param {string} pointer @returns {Rule} */
function reduction([source, step, initial], pointer) {
  return (facts) => {
    const items = source(facts);
    const start = initial(facts);
    if (items === null) return start;
    if (!Array.isArray(items)) throw new OperandError(pointer, "first operand is not an array");
    if (items.length > MAX_REDUCE_ITEMS) {
      throw new OperandError(pointer, `array has more than ${MAX_REDUCE_ITEMS} items`);
    }
    return items.reduce(
      (accumulator, current) => step({ current, accumulator, data: facts }),
      start,
    );
  };
}

/** @type {Record<string, [number, number, (rules: Rule[], pointer: string) => Rule]>} */
const OPERATIONS = {
  if: [3, 3, ([guard, then, otherwise], pointer) => (facts) =>
    truthy(guard(facts), pointer) ? then(facts) : otherwise(facts)],
  and: [2, Infinity, conjunction],
  "!": [1, 1, ([rule], pointer) => (facts) => !truthy(rule(facts), pointer)],
  "===": [2, 2, ([left, right], pointer) => (facts) => same(left(facts), right(facts), pointer)],
  in: [2, 2, membership],
  "+": [2, 2, addition],
  ">": [2, 3, comparison(integer, (low, high) => low > high)],
  "<": [2, 3, comparison(integer, (low, high) => low < high)],
  ">=": [2, 3, comparison(integer, (low, high) => low >= high)],
  "<=": [2, 3, comparison(integer, (low, high) => low <= high)],
  after: [2, 3, comparison(moment, (low, high) => low > high)],
  before: [2, 3, comparison(moment, (low, high) => low < high)],
  "not-after": [2, 3, comparison(moment, (low, high) => low <= high)],
  "not-before": [2, 3, comparison(moment, (low, high) => low >= high)],
  reduce: [3, 3, reduction],
  dccDateOfBirth: [1, 1, ([rule], pointer) => dated(rule, dates.dateOfBirth, pointer)],
};
